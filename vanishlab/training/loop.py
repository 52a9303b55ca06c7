"""`train(network, training, data) -> Record`: every learning rate and seed side by side, the recorder attached."""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vanishlab.config import NetworkConfig, TrainingConfig
from vanishlab.data import Dataset
from vanishlab.errors import InputError
from vanishlab.language.sentences import say
from vanishlab.network.curvature import SharpnessHistory
from vanishlab.network.mlp import MLP
from vanishlab.progress import progress_bar
from vanishlab.recording.record import Record
from vanishlab.training.by_autograd import ByAutograd
from vanishlab.training.engine import Engine, engine_of
from vanishlab.training.memory import check_memory, run_work

if TYPE_CHECKING:
    from vanishlab.training.engine.stack import Stack

_EVALUATIONS = 20  # of the test accuracy, where evaluate_every is not given
_EVALUATION_BATCH = 2048
_SMALL_PRODUCT = 1e8  # floating-point operations
_ORDER_STREAM = 1  # keeps the order of mini-batches apart from the draw of the weights


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C during `train`; `record` holds every step that had ended."""

    def __init__(self, record: Record) -> None:
        """Keep the record."""
        super().__init__("training interrupted")
        self.record = record


def train(
    network: NetworkConfig,
    training: TrainingConfig,
    data: Dataset,
    *,
    model: MLP | None = None,
    progress: Callable[[int], object] | bool | None = None,
) -> Record:
    """Train one network per learning rate and seed by gradient descent and return what was recorded on the way.

    The runs are stacked on the run axis, learning rates varying slowest. Recorded are the states after 0, 1, ..., steps
    updates, as `record_every` chooses; the update ratio of the last one belongs to the update that would follow.
    A run whose loss is no longer finite is put back to its last finite state and stays there; its neighbours are not
    touched. Its test accuracy is that of the state it stays in.

    Other arguments
        model      the networks to train, in place, instead of newly drawn ones (`MLP(network, ...)`, one run each)
        progress   called with each step's number when it has ended; or whether to show a bar, None: where somebody
                   watches, at a terminal or in a notebook

    Raises `InputError` for settings that do not fit the data or the memory, `TrainingInterrupted` (a KeyboardInterrupt)
    for Ctrl-C.
    """
    check_training(network, training, data)
    runs = [Run(network, rate, seed) for rate, seed in training.runs]
    if callable(progress):
        return train_runs(runs, training, data, model=model, progress=progress)
    with progress_bar(say("training"), progress) as advance:
        return train_runs(
            runs, training, data, model=model, progress=lambda step: advance((step + 1) / (training.steps + 1))
        )


class Run(NamedTuple):
    """One network, trained with one learning rate and one seed."""

    network: NetworkConfig
    learning_rate: float
    seed: int


def train_runs(
    runs: Sequence[Run],
    training: TrainingConfig,
    data: Dataset,
    *,
    model: MLP | None = None,
    progress: Callable[[int], object] | None = None,
) -> Record:
    """Train any runs of one shape side by side, as `train` does; `training` gives all but learning rates and seeds.

    A run has the bits that `train` gives it. Where the runs' networks differ (in initialisation), the record's
    `network` is None. Raises what `train` raises.
    """
    device = device_of(training.device)
    network, rates, seeds = runs[0].network, [run.learning_rate for run in runs], [run.seed for run in runs]
    networks = [run.network for run in runs]
    if model is None:
        model = MLP(network, data.features, data.num_classes, tuple(seeds), drawn_as=networks)
        model.spare_memory()
    check_fits(network, training, data)
    _check_model(network, len(runs), data, model)
    model.to(device).train()
    size = training.batch_size or len(data.y)
    engine = _engine_for(model, training, run_work(network, training, data))
    batches = _batches(training, data, seeds, device, model.readout.weight.dtype)
    threads = _threads_for(model, size)
    evaluations: list[tuple[int, np.ndarray]] = []
    sharpness = SharpnessHistory(model, data.x, data.y, training.loss)
    stack = _stack_of(engine, model, training, rates, size, threads)

    def record() -> Record:
        return stack.recorded_steps.to_record(
            learning_rate=np.array(rates),
            seed=np.array(seeds, dtype=np.int64),
            diverged_step=stack.diverged_step,
            evaluations=evaluations,
            sharpness=sharpness.measured,
            unmeasured=sharpness.unmeasured,
            network=network if networks.count(network) == len(networks) else None,
            training=training,
            data_name=data.name,
            engine=engine,
        )

    def due(step: int, every: int | None) -> bool:
        return every is not None and (step % every == 0 or step == training.steps)

    evaluate_every = training.evaluate_every or max(1, math.ceil(training.steps / _EVALUATIONS))
    try:
        with _torch_threads(threads), stack:
            for step in range(training.steps + 1):
                if due(step, evaluate_every) and data.y_test is not None:
                    stack.show()
                    evaluations.append((step, _test_accuracy(model, data)))
                if due(step, training.sharpness_every):
                    sharpness.measure(step)
                stack.step(step, *next(batches))
                if progress is not None:
                    progress(step)
    except KeyboardInterrupt:
        raise TrainingInterrupted(record()) from None
    model.zero_grad()
    return record()


def _batches(
    training: TrainingConfig, data: Dataset, seeds: list[int], device: torch.device, dtype: torch.dtype
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield x (batch, features) and y (batch,), with a leading run axis where seeds have orders of their own."""
    x = torch.from_numpy(data.x).to(device, dtype)
    y = torch.from_numpy(data.y).to(device)
    size, n = training.batch_size, len(data.y)
    if size is None or size == n:
        while True:
            yield x, y
    distinct = list(dict.fromkeys(seeds))
    generators = [np.random.default_rng([seed, _ORDER_STREAM]) for seed in distinct]
    of_run = torch.tensor([distinct.index(seed) for seed in seeds], device=device)
    while True:
        orders = torch.from_numpy(np.stack([generator.permutation(n) for generator in generators])).to(device)
        for start in range(0, n, size):
            chosen = orders[:, start : start + size]  # (seed, batch)
            if len(distinct) == 1:
                yield x[chosen[0]], y[chosen[0]]
            else:
                yield x[chosen][of_run], y[chosen][of_run]


@torch.no_grad()
def _test_accuracy(model: MLP, data: Dataset) -> np.ndarray:
    """Return the share of test examples that each run classifies correctly, (run,)."""
    assert data.x_test is not None and data.y_test is not None
    model.eval()
    weight = model.readout.weight
    correct = torch.zeros(model.runs, dtype=torch.float64, device=weight.device)
    for start in range(0, len(data.y_test), _EVALUATION_BATCH):
        part = slice(start, start + _EVALUATION_BATCH)
        logits = model(torch.from_numpy(data.x_test[part]).to(weight.device, weight.dtype))
        correct += (logits.argmax(2) == torch.from_numpy(data.y_test[part]).to(weight.device)).double().sum(1)
    model.train()
    return correct.cpu().numpy() / len(data.y_test)


def check_training(network: NetworkConfig, training: TrainingConfig, data: Dataset) -> None:
    """Raise `InputError` for what `train` refuses, before anything is built: settings, device, memory."""
    check_fits(network, training, data)
    check_memory(network, training, data, device_of(training.device))


def check_fits(network: NetworkConfig, training: TrainingConfig, data: Dataset) -> None:
    """Raise `InputError` for a training that these networks cannot have on these data."""
    if training.batch_size is not None and training.batch_size > len(data.y):
        raise InputError(f"batch_size must be at most the {len(data.y)} training examples, got {training.batch_size}")
    if training.engine == "fused":
        engine_of(network, training, math.inf)
    size = training.batch_size or len(data.y)
    if network.normalization == "batch" and size == 1:
        raise InputError("batch_size must be at least 2 with normalization 'batch', got 1")
    if network.normalization == "batch" and len(data.y) % size == 1:
        raise InputError(
            f"batch_size must leave no last batch of 1 of {len(data.y)} examples with normalization 'batch', got {size}"
        )


def _check_model(network: NetworkConfig, runs: int, data: Dataset, model: MLP) -> None:
    if model.config != network or model.runs != runs:
        raise InputError(
            f"model must be an MLP of {network} with {runs} runs, got {model.config} with {model.runs} runs"
        )
    classes = model.readout.weight.shape[1]
    if model.features != data.features or classes < data.num_classes:
        raise InputError(
            f"model must take {data.features} features and {data.num_classes} classes for data {data.name!r}, "
            f"got {model.features} and {classes}"
        )


def device_of(name: str) -> torch.device:
    """Return the device that `name` means here. Raises `InputError` for one that torch cannot use."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.ones(1, device=device).item()  # `meta` has no values
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device must be one that torch can use here, got {name!r} ({reason})") from error
    return device


def _engine_for(model: MLP, training: TrainingConfig, work: float) -> Engine:
    """Return the engine that the configs ask for, or autograd for a given model that is more than they say."""
    engine = engine_of(model.config, training, work)
    hooked = any(
        module._forward_hooks or module._forward_pre_hooks or module._backward_hooks for module in model.modules()
    )
    plain = all(
        parameter.requires_grad
        and not parameter._backward_hooks
        and parameter.dtype == getattr(torch, model.config.dtype)
        for parameter in model.parameters()
    )
    if engine == "fused" and (hooked or not plain):
        if training.engine == "fused":
            raise InputError(
                "engine 'fused' must get a model without hooks and frozen parameters, of its config's dtype; "
                "'auto' takes any"
            )
        return "autograd"
    return engine


def _stack_of(
    engine: Engine, model: MLP, training: TrainingConfig, rates: list[float], batch: int, threads: int
) -> "ByAutograd | Stack":
    if engine == "autograd":
        return ByAutograd(model, training, rates)
    from vanishlab.training.engine.stack import Stack

    return Stack(model, training, rates, batch, threads)


def _threads_for(model: MLP, batch: int) -> int:
    """Return how many threads train the stack: at most one a run, and one in all where products are small.

    A product that is divided between threads has other bits, so threads share runs, never a run. Where a layer's
    product takes only about a millisecond, a second thread gains little, and on a busy machine the threads spend their
    time waiting for each other.
    """
    work = 2 * batch * model.runs * max(layer.weight[0].numel() for layer in model.linear_layers)
    return min(torch.get_num_threads(), model.runs) if work > _SMALL_PRODUCT else 1


@contextlib.contextmanager
def _torch_threads(threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
