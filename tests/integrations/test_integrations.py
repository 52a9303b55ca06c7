"""The adapters against the real packages: what they record is what a plain loop with the recorder records."""

import importlib
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vanishlab import GradientRecorder, InputError, Record
from vanishlab.integrations.dashboard import Dashboard, summarise
from vanishlab.recording.quantities import LAYER_QUANTITIES

# The packages warn about their own affairs (a missing logger, few workers, deprecated calls among themselves).
FOREIGN = pytest.mark.filterwarnings("ignore")
EXAMPLES, BATCH = 12, 4


def build_model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 6), nn.Sigmoid(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 3))


def build_data() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(EXAMPLES, 5, generator=generator), torch.arange(EXAMPLES) % 3


def plain_record(epochs: int, accumulate: int = 1, every: int = 1) -> tuple[Record, nn.Module]:
    """The record of the same training, written as a plain loop."""
    model, (x, y) = build_model(), build_data()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    batches = [(x[i : i + BATCH], y[i : i + BATCH]) for i in range(0, EXAMPLES, BATCH)] * epochs
    with GradientRecorder(model, optimizer, every) as recorder:
        for start in range(0, len(batches), accumulate):
            optimizer.zero_grad()
            losses = []
            for inputs, targets in batches[start : start + accumulate]:
                loss = nn.functional.cross_entropy(model(inputs), targets)
                (loss / accumulate).backward()
                losses.append(loss.detach())
            recorder.observe_loss(torch.stack(losses).mean())
            optimizer.step()
    return recorder.record, model


def assert_same(found: Record, expected: Record) -> None:
    np.testing.assert_array_equal(found.step, expected.step)
    np.testing.assert_allclose(found.loss, expected.loss, rtol=1e-6)  # float32 means, added in another order
    for quantity in LAYER_QUANTITIES:
        np.testing.assert_array_equal(getattr(found, quantity), getattr(expected, quantity), err_msg=quantity)


def assert_no_hooks(model: nn.Module) -> None:
    for module in model.modules():
        assert not module._forward_hooks and not module._forward_pre_hooks
    assert not any(parameter._post_accumulate_grad_hooks for parameter in model.parameters())


class Kept(Dashboard):
    """A dashboard that keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: dict[int, dict[str, float]] = {}
        self.figures: list[tuple[str, int]] = []
        self.texts: list[tuple[str, str, int]] = []

    def _write_numbers(self, values: dict[str, float], step: int) -> None:
        assert step not in self.numbers
        self.numbers[step] = values

    def _write_text(self, name: str, text: str, step: int) -> None:
        self.texts.append((name, text, step))

    def _write_figure(self, name: str, figure: Any, step: int) -> None:
        self.figures.append((name, step))


def test_a_summary_is_taken_from_the_record() -> None:
    record, _ = plain_record(1)
    values = summarise(record, 1)
    assert values["loss"] == record.loss[0, 1]
    assert values["first_last_delta_ratio"] == record.delta_rms[0, 1, 0] / record.delta_rms[0, 1, 2]
    assert values["smallest_gradient_norm"] == record.gradient_norm[0, 1].min()
    assert values["largest_zero_fraction"] == record.zero_fraction[0, 1].max()
    assert not any(math.isnan(value) for value in values.values())


def test_a_summary_wants_one_run() -> None:
    import vanishlab as vl

    record = vl.train(
        vl.NetworkConfig(depth=1, width=2), vl.TrainingConfig(seeds=(0, 1), steps=0),
        vl.Dataset(np.ones((2, 2)), np.array([0, 1]), name="two"),
    )  # fmt: skip
    with pytest.raises(InputError, match="record must hold one run .*, got 2"):
        summarise(record)


def test_a_dashboard_is_told_each_step_once() -> None:
    record, _ = plain_record(1)
    board = Kept()
    board.update(record.select(step=(0, 1)))
    board.update(record)
    board.finish(record)
    assert sorted(board.numbers) == [0, 1, 2]
    assert board.figures == [("vanishlab/three_curves", 2)]
    assert all(name.startswith("vanishlab/") for name in board.numbers[0])
    [(name, text, step)] = board.texts  # the verdict was the same at each look
    assert (name, step) == ("vanishlab/verdict", 1) and text.startswith("healthy: Delta is 15.7 times smaller")


@pytest.mark.parametrize("name", ["lightning", "huggingface"])
def test_a_missing_package_is_named_with_its_extra(name: str) -> None:
    hidden = {"lightning": "lightning", "huggingface": "transformers"}[name]
    code = f"import sys; sys.modules[{hidden!r}] = None; import vanishlab.integrations.{name}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"pip install 'vanishlab[{name}]'" in done.stderr.splitlines()[-1]


@FOREIGN
@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [1, 3])
def test_lightning_records_what_a_plain_loop_records(accumulate: int, tmp_path: Path) -> None:
    pytest.importorskip("lightning")
    lightning: Any = importlib.import_module("lightning.pytorch")
    from vanishlab.integrations.lightning import GradientCallback

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = build_model()

        def training_step(self, batch: Any, index: int) -> Tensor:
            return nn.functional.cross_entropy(self.model(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    board = Kept()
    callback = GradientCallback(1, board)
    with pytest.raises(InputError, match="training has not begun"):
        callback.record  # noqa: B018
    module = Module()
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*build_data()), batch_size=BATCH)
    options = {"accelerator": "cpu", "logger": False, "enable_checkpointing": False, "enable_progress_bar": False,
               "enable_model_summary": False, "default_root_dir": tmp_path}  # fmt: skip
    lightning.Trainer(max_epochs=2, accumulate_grad_batches=accumulate, callbacks=[callback], **options).fit(
        module, loader
    )
    expected, model = plain_record(2, accumulate)
    assert_same(callback.record, expected)
    for ours, theirs in zip(module.model.parameters(), model.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert_no_hooks(module)
    assert sorted(board.numbers) == list(range(6 // accumulate)) and len(board.figures) == 1


@FOREIGN
@pytest.mark.slow
def test_lightning_leaves_no_hook_after_an_exception(tmp_path: Path) -> None:
    pytest.importorskip("lightning")
    lightning: Any = importlib.import_module("lightning.pytorch")
    from vanishlab.integrations.lightning import GradientCallback

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = build_model()

        def training_step(self, batch: Any, index: int) -> Tensor:
            if index == 2:
                raise RuntimeError("out of luck")
            return nn.functional.cross_entropy(self.model(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    callback, module = GradientCallback(1), Module()
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*build_data()), batch_size=BATCH)
    trainer = lightning.Trainer(max_epochs=1, callbacks=[callback], accelerator="cpu", logger=False,
                                enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
                                default_root_dir=tmp_path)  # fmt: skip
    with pytest.raises(RuntimeError, match="out of luck"):
        trainer.fit(module, loader)
    assert callback.record.step.tolist() == [0, 1]
    assert_no_hooks(module)


@FOREIGN
@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [1, 3])
def test_hugging_face_records_what_a_plain_loop_records(accumulate: int, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    transformers: Any = importlib.import_module("transformers")
    from vanishlab.integrations.huggingface import GradientCallback

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = build_model()

        def forward(self, x: Tensor, labels: Tensor) -> Any:
            logits = self.model(x)
            loss = nn.functional.cross_entropy(logits, labels)
            return transformers.modeling_outputs.SequenceClassifierOutput(loss=loss, logits=logits)  # pyright: ignore

    x, y = build_data()
    data: Any = [{"x": row, "labels": label} for row, label in zip(x, y, strict=True)]
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path), num_train_epochs=2, per_device_train_batch_size=BATCH, learning_rate=0.1,
        gradient_accumulation_steps=accumulate, lr_scheduler_type="constant", max_grad_norm=0.0, optim="sgd",
        use_cpu=True, report_to=[], save_strategy="no", disable_tqdm=True, logging_steps=1, seed=0,
        train_sampling_strategy="sequential",
    )  # fmt: skip
    board, model = Kept(), Model()
    with GradientCallback(1, board) as callback:
        transformers.Trainer(model, arguments, train_dataset=data, callbacks=[callback]).train()
    expected, plain = plain_record(2, accumulate)
    assert_same(callback.record, expected)
    for ours, theirs in zip(model.model.parameters(), plain.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert_no_hooks(model)
    assert sorted(board.numbers) == list(range(6 // accumulate)) and len(board.figures) == 1


@FOREIGN
@pytest.mark.slow
def test_tensorboard_shows_the_numbers_and_one_figure(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from vanishlab.integrations.tensorboard import TensorBoardWriter

    record, _ = plain_record(1)
    writer = TensorBoardWriter(tmp_path)
    writer.update(record.select(step=0))
    writer.finish(record)
    writer.close()
    accumulator: Any = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(tmp_path))
    events.Reload()
    ratios = events.Scalars("vanishlab/first_last_delta_ratio")
    assert [event.step for event in ratios] == [0, 1, 2]
    np.testing.assert_allclose([event.value for event in ratios], record.first_last_ratio()[0], rtol=1e-6)
    assert events.Tags()["images"] == ["vanishlab/three_curves"]
    assert b"healthy: Delta" in events.Tensors("vanishlab/verdict/text_summary")[0].tensor_proto.string_val[0]
    assert len(events.Tags()["scalars"]) <= 10


@FOREIGN
@pytest.mark.slow
def test_weights_and_biases_logs_the_numbers_and_one_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    wandb: Any = importlib.import_module("wandb")
    from vanishlab.integrations.wandb import WandbWriter

    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_CONSOLE", "off")
    record, _ = plain_record(1)
    with wandb.init(mode="offline", dir=tmp_path, project="test") as run:
        logged: list[dict[str, Any]] = []
        log = run.log
        monkeypatch.setattr(run, "log", lambda values: (logged.append(values), log(values)))
        writer = WandbWriter(run)
        writer.update(record.select(step=0))
        writer.finish(record)
    numbers = [values for values in logged if "vanishlab/first_last_delta_ratio" in values]
    assert [values["vanishlab/step"] for values in numbers] == [0, 1, 2]
    assert [values["vanishlab/first_last_delta_ratio"] for values in numbers] == record.first_last_ratio()[0].tolist()
    pictures = [values for values in logged if "vanishlab/three_curves" in values]
    verdicts = [values for values in logged if "vanishlab/verdict" in values]
    assert verdicts[0]["vanishlab/verdict"].startswith("healthy: Delta")
    assert len(pictures) == 1 and len(verdicts) == 1 and len(logged) == 5
    assert list(tmp_path.glob("**/*.wandb")) and list(tmp_path.glob("**/*.png"))


@FOREIGN
@pytest.mark.slow
def test_lightning_stops_where_training_is_ill(tmp_path: Path) -> None:
    pytest.importorskip("lightning")
    lightning: Any = importlib.import_module("lightning.pytorch")
    from vanishlab.integrations.lightning import GradientCallback

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = build_model()

        def training_step(self, batch: Any, index: int) -> Tensor:
            return nn.functional.cross_entropy(self.model(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=1e4)

    callback, module = GradientCallback(1, stop_on="diverging"), Module()
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*build_data()), batch_size=BATCH)
    trainer = lightning.Trainer(max_epochs=20, callbacks=[callback], accelerator="cpu", logger=False,
                                enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
                                default_root_dir=tmp_path)  # fmt: skip
    trainer.fit(module, loader)
    assert callback.watcher is not None
    [finding] = callback.watcher.findings
    assert finding.verdict.name == "diverging" and len(callback.record.step) == finding.step + 1 < 60


@FOREIGN
@pytest.mark.slow
def test_hugging_face_stops_where_training_is_ill(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    transformers: Any = importlib.import_module("transformers")
    from vanishlab.integrations.huggingface import GradientCallback

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = build_model()

        def forward(self, x: Tensor, labels: Tensor) -> Any:
            logits = self.model(x)
            return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}

    x, y = build_data()
    data: Any = [{"x": row, "labels": label} for row, label in zip(x, y, strict=True)]
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path), num_train_epochs=20, per_device_train_batch_size=BATCH, learning_rate=1e4,
        lr_scheduler_type="constant", max_grad_norm=0.0, optim="sgd", use_cpu=True, report_to=[], save_strategy="no",
        disable_tqdm=True, seed=0,
    )  # fmt: skip
    with GradientCallback(1, watch=True, stop_on=["diverging"]) as callback:
        transformers.Trainer(Model(), arguments, train_dataset=data, callbacks=[callback]).train()
    assert callback.watcher is not None
    assert "diverging" in [finding.verdict.name for finding in callback.watcher.findings]
    assert len(callback.record.step) == callback.watcher.findings[-1].step + 1 < 60


def test_a_verdict_to_watch_for_must_exist() -> None:
    from vanishlab.integrations.following import Follower

    with pytest.raises(InputError, match="^stop_on must be one of .*got 'vanishin' .did you mean 'vanishing'"):
        Follower(stop_on="vanishin")
    with pytest.raises(InputError, match="^watch must be one of"):
        Follower(watch="x")
