"""How many networks a second does a sweep train, everything recorded at every step, beside what one could do instead?

Setup   Networks of 20 hidden layers (--depth) on 256 digits, full batch, float32; widths 32, 64 and 256, ReLU and
        sigmoid; 64 runs (16 learning rates x 4 seeds). All contenders do the same arithmetic, 6 x batch x weights
        flops per run and step:
        (1) loop, hooks   one network after another: nn.Sequential, torch.optim.SGD, hooks that call .norm().item() on
                          activations, deltas and gradients
        (2) loop, bare    the same without the hooks
        (3) jax           `jit` of `vmap` of `lax.scan` over the steps with the same three norms, and the same without
                          `vmap`, run after run; the quicker one counts. Left out, visibly, where jax is not installed.
        (4) products      the batched matrix products of the sweep's chunks alone, into buffers that are there already
        (5) oneDNN        the same products run after run by the other library that torch brings, whose routines use
                          AVX-512 on AMD processors too; no bar, it tells what torch's own choice leaves unused.
                          Left out, visibly, where torch has no oneDNN.
        (6) autograd      the sweep with engine="autograd": stacked products through torch, hooks that record
        (7) jax, all      (3) with all that the lab records at every step instead of three norms
        sweep             `train_runs` on the sweep's own chunks with engine="fused"; also with record_every="never".
                          Without numba (6) stands in its place, which is said.
        Each figure is the median over repeats of a round in which every contender has its turn, so a busy machine slows
        all of them. Sweep and products run in as many processes as there are cores, one thread each; the loops with
        one thread and with all, and jax with all: the quicker counts. Start-up and compilation are not timed.
        With --cores 1 everything runs on one thread and CPU time is taken: for machines that others use as well.
Expect  times faster than (1), (2), (3) with ReLU / sigmoid, (6); share of (4)
            width 32    5, 3, 1.2 / 1.2, 1.8;       75 %
            width 64    2.8, 1.8, 1.3 / 1.1, 1.8;   85 %
            width 256   1.05, 1, 1 / 1, 1.2;        75 %
Run     python experiments/benchmarks/sweep.py             # twenty minutes on two cores
        python experiments/benchmarks/sweep.py --quick     # fewer steps and repeats: five minutes
"""

import argparse
import importlib.util
import itertools
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

import vanishlab as vl
from vanishlab.cli.tables import print_table
from vanishlab.config import ActivationName, EngineName
from vanishlab.training.loop import Run, train_runs
from vanishlab.training.sweep import memory

BATCH = 256
RATES, SEEDS = tuple(float(rate) for rate in np.geomspace(1e-4, 1e-1, 16)), (0, 1, 2, 3)
BARS = {  # (activation, width): times faster than (1), (2), (3) and (6), and the share of (4)
    (activation, width): (loop, bare, jax[place], autograd, products)
    for width, loop, bare, jax, autograd, products in (
        (32, 5.0, 3.0, (1.2, 1.2), 1.8, 0.75),
        (64, 2.8, 1.8, (1.3, 1.1), 1.8, 0.85),
        (256, 1.05, 1.0, (1.0, 1.0), 1.2, 0.75),
    )
    for place, activation in enumerate(("relu", "sigmoid"))
}
MODULES = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid}
COLUMNS = ("network", "contender", "ms per run-step", "GFLOP/s", "sweep is faster by", "bar", "met")


def network_of(activation: ActivationName, width: int, depth: int = 20) -> vl.NetworkConfig:
    initialization = "kaiming_normal" if activation == "relu" else "xavier_normal"
    return vl.NetworkConfig(depth, width, activation, initialization)


def digits() -> vl.Dataset:
    return replace(vl.load_data("digits", max_examples=BATCH), x_test=None, y_test=None)


def per_step(marks: list[float]) -> float:
    """Return the median time between two marks, the first step left out."""
    return statistics.median(np.diff(marks[1:]))


def sweep_seconds(
    network: vl.NetworkConfig, runs: int, steps: int, every: int | Literal["never"], cpu: bool, engine: EngineName
) -> float:
    """Return the sweep's seconds per step of one chunk."""
    clock = time.process_time if cpu else time.perf_counter
    pairs = list(itertools.product(RATES, SEEDS))
    chunk = [Run(network, *pairs[place % len(pairs)]) for place in range(runs)]
    training = vl.TrainingConfig(RATES, SEEDS, steps=steps + 1, record_every=every, device="cpu", engine=engine)
    marks: list[float] = []
    train_runs(chunk, training, digits(), progress=lambda step: marks.append(clock()))
    return per_step(marks)


def product_seconds(network: vl.NetworkConfig, runs: int, steps: int, cpu: bool) -> float:
    """Return the seconds per step of the batched products alone: z = h W, its two gradients, for every layer."""
    clock = time.process_time if cpu else time.perf_counter
    widths = (64, *network.widths, 10)
    layers = []
    for fan_in, fan_out in itertools.pairwise(widths):
        shapes = [(BATCH, fan_in), (fan_in, fan_out), (BATCH, fan_out), (BATCH, fan_out), (BATCH, fan_in)]
        layers.append([torch.randn(runs, *shape) for shape in [*shapes, (fan_in, fan_out)]])
    marks = []
    for _ in range(steps + 2):
        for h, weight, z, _, _, _ in layers:
            torch.bmm(h, weight, out=z)
        for h, weight, _, delta, back, gradient in reversed(layers):
            torch.bmm(h.transpose(1, 2), delta, out=gradient)
            torch.bmm(delta, weight.transpose(1, 2), out=back)
        marks.append(clock())
    return per_step(marks)


def onednn_seconds(network: vl.NetworkConfig, runs: int, steps: int, cpu: bool) -> float:
    """Return the seconds per step of the same products, run after run by oneDNN, which knows no autograd here."""
    clock = time.process_time if cpu else time.perf_counter
    product = torch.ops.mkldnn._linear_pointwise  # (x, weight, bias, what follows, ...) -> x weight^T
    widths = (64, *network.widths, 10)
    layers = []
    for fan_in, fan_out in itertools.pairwise(widths):
        shapes = [(BATCH, fan_in), (fan_out, fan_in), (BATCH, fan_out)]
        layers.append([torch.randn(runs, *shape).unbind() for shape in shapes])
    marks = []
    for _ in range(steps + 2):
        for h, weight, _ in layers:
            for run in range(runs):
                product(h[run], weight[run], None, "none", [], "")
        for h, weight, delta in reversed(layers):
            for run in range(runs):
                product(delta[run].t(), h[run].t(), None, "none", [], "")
                product(delta[run], weight[run].t(), None, "none", [], "")
        marks.append(clock())
    return per_step(marks)


def _set_hooks(model: nn.Sequential, kept: list[float]) -> None:
    def of_delta(module: nn.Module, inputs: object, z: torch.Tensor) -> None:
        z.register_hook(lambda delta: kept.append(delta.norm().item()))

    def of_activation(module: nn.Module, inputs: object, h: torch.Tensor) -> None:
        kept.append(h.norm().item())

    for module in model:
        module.register_forward_hook(of_delta if isinstance(module, nn.Linear) else of_activation)


def loop_seconds(network: vl.NetworkConfig, steps: int, hooks: bool, threads: int, cpu: bool) -> float:
    """Return the seconds per step of a single network, trained as one would by hand."""
    clock = time.process_time if cpu else time.perf_counter
    torch.set_num_threads(threads)
    data = digits()
    x, y = torch.from_numpy(data.x).float(), torch.from_numpy(data.y)
    marks = []
    for run in range(3):
        model = vl.MLP(network, 64, 10, (run,)).single()
        optimizer = torch.optim.SGD(model.parameters(), lr=RATES[5])
        kept: list[float] = []
        if hooks:
            _set_hooks(model, kept)
        loss_of = nn.CrossEntropyLoss()
        own = []
        for _ in range(steps + 2):
            optimizer.zero_grad()
            loss = loss_of(model(x), y)
            loss.backward()
            if hooks:
                kept.append(loss.item())
                kept += [layer.weight.grad.norm().item() for layer in model if isinstance(layer, nn.Linear)]  # pyright: ignore
            optimizer.step()
            own.append(clock())
        marks.append(per_step(own))
    torch.set_num_threads(1)
    return statistics.median(marks)


def jax_seconds(network: vl.NetworkConfig, runs: int, steps: int, cpu: bool, everything: bool = False) -> float:
    """Return jax's seconds per step of `runs` runs (0: one without `vmap`).

    It computes three norms a layer at every step, or everything that the lab records at every step.
    """
    import jax  # pyright: ignore[reportMissingImports]
    import jax.numpy as jnp  # pyright: ignore[reportMissingImports]

    clock = time.process_time if cpu else time.perf_counter
    data = digits()
    x, y = jnp.asarray(data.x, jnp.float32), jnp.asarray(data.y)
    phi = {"relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid}[network.activation]

    def loss_of(parameters: Any, offsets: Any) -> Any:
        # The gradient for an offset that is added to z is delta.
        h, activations = x, []
        for place, ((weight, bias), offset) in enumerate(zip(parameters, offsets, strict=True)):
            z = h @ weight + bias + offset
            h = phi(z) if place < network.depth else z
            activations.append(of_activation(z, h))
        return -jax.nn.log_softmax(h)[jnp.arange(BATCH), y].mean(), jnp.stack(activations)

    def of_activation(z: Any, h: Any) -> Any:
        if not everything:
            return jnp.linalg.norm(h)
        silent = (z.max(0) <= 0).mean() if network.activation == "relu" else (abs(z) > 5.986).mean()
        return jnp.stack([jnp.linalg.norm(h), h.mean(), silent, jnp.linalg.norm(h - h.mean(0))])

    def of_delta(delta: Any) -> Any:
        return jnp.stack([jnp.linalg.norm(delta), jnp.linalg.norm(delta - delta.mean(0))] if everything
                         else [jnp.linalg.norm(delta)])  # fmt: skip

    def of_weight(weight: Any, gradient: Any, bias: Any) -> Any:
        if not everything:
            return jnp.linalg.norm(gradient)
        lost = [(gradient == 0).mean(), (abs(gradient) < jnp.finfo(jnp.float32).tiny).mean()]
        return jnp.stack([jnp.linalg.norm(gradient), jnp.linalg.norm(weight), jnp.linalg.norm(bias), *lost])

    def train_one(parameters: Any, rate: Any) -> Any:
        offsets = [jnp.zeros((BATCH, bias.shape[0]), jnp.float32) for _, bias in parameters]

        def step(now: Any, _: Any) -> Any:
            (loss, activations), (gradients, deltas) = jax.value_and_grad(loss_of, argnums=(0, 1), has_aux=True)(
                now, offsets
            )
            weights = [of_weight(w, g, b) for (w, _), (g, b) in zip(now, gradients, strict=True)]
            norms = weights, [of_delta(each) for each in deltas]
            now = jax.tree_util.tree_map(lambda p, g: p - rate * g, now, gradients)
            return now, (loss, activations, *map(jnp.stack, norms))

        return jax.lax.scan(step, parameters, None, length=steps)

    layers = vl.MLP(network, 64, 10, tuple(range(max(runs, 1)))).linear_layers
    stacked = [(jnp.asarray(w.weight.detach().transpose(1, 2).numpy()), jnp.asarray(w.bias.detach())) for w in layers]
    rates = jnp.asarray([RATES[place % len(RATES)] for place in range(max(runs, 1))], jnp.float32)
    compiled = jax.jit(jax.vmap(train_one) if runs else train_one)
    given = (stacked, rates) if runs else ([(w[0], b[0]) for w, b in stacked], rates[0])
    jax.block_until_ready(compiled(*given))
    seconds = []
    for _ in range(3):
        start = clock()
        jax.block_until_ready(compiled(*given))
        seconds.append((clock() - start) / steps)
    return statistics.median(seconds) / max(runs, 1)


def in_each(pool: ProcessPoolExecutor, cores: int, function: Callable[..., float], *arguments: Any) -> float:
    """Return the seconds of the slowest of `cores` processes that do the same at once, divided by their number."""
    return max(future.result() for future in [pool.submit(function, *arguments) for _ in range(cores)]) / cores


def begin() -> None:
    torch.set_num_threads(1)


def measure(
    network: vl.NetworkConfig, cores: int, steps: int, pool: ProcessPoolExecutor, jax: bool, engine: EngineName
) -> dict[str, float]:
    """Return the seconds per run-step of every contender, each measured once."""
    cpu = cores == 1
    everything = vl.TrainingConfig(RATES, SEEDS, device="cpu")
    runs = memory.fitting_runs(network, everything, digits(), torch.device("cpu"), cores)
    threads = {1, cores}
    found = {
        "sweep": in_each(pool, cores, sweep_seconds, network, runs, steps, 1, cpu, engine) / runs,
        "sweep, not recorded": in_each(pool, cores, sweep_seconds, network, runs, steps, "never", cpu, engine) / runs,
        "(6) autograd": in_each(pool, cores, sweep_seconds, network, runs, steps, 1, cpu, "autograd") / runs,
        "(4) products": in_each(pool, cores, product_seconds, network, runs, steps, cpu) / runs,
        "(1) loop, hooks": min(loop_seconds(network, steps, True, each, cpu) for each in threads),
        "(2) loop, bare": min(loop_seconds(network, steps, False, each, cpu) for each in threads),
    }
    if torch.backends.mkldnn.is_available():
        seconds = in_each(pool, cores, onednn_seconds, network, runs, steps, cpu)
        found["(5) oneDNN"] = seconds / runs
    if jax:
        found["(3) jax"] = min(jax_seconds(network, each, steps, cpu) for each in (0, 8, 64))
        found["(7) jax, all"] = min(jax_seconds(network, each, steps, cpu, True) for each in (0, 8, 64))
    return found


def rows_of(network: vl.NetworkConfig, found: dict[str, float]) -> list[list[object]]:
    """Return the table's rows of one network, and hold the ratios against the bars."""
    width = max(network.widths)
    bars = BARS.get((network.activation, width)) if network.depth == 20 else None
    flops = 6.0 * BATCH * sum(a * b for a, b in itertools.pairwise((64, *network.widths, 10)))
    against = {"(1) loop, hooks": 0, "(2) loop, bare": 1, "(3) jax": 2, "(6) autograd": 3, "(4) products": 4}
    rows: list[list[object]] = []
    for name, seconds in found.items():
        ratio, bar = seconds / found["sweep"], bars[against[name]] if bars and name in against else None
        verdict = "" if bar is None else ("yes" if ratio >= bar else "no")
        rows.append([f"{network.activation} {width}", name, 1e3 * seconds, flops / seconds / 1e9, ratio,
                     "" if bar is None else bar, verdict])  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="10 steps and 3 repeats instead of 30 and 7")
    parser.add_argument("--cores", type=int, default=2, help="cores to use; 1 takes CPU time")
    parser.add_argument("--widths", type=int, nargs="+", default=[32, 64, 256])
    parser.add_argument("--depth", type=int, default=20, help="hidden layers; the bars are those of 20")
    parser.add_argument("--activations", nargs="+", choices=list(MODULES), default=list(MODULES))
    parser.add_argument("--no-jax", action="store_true", help="leave jax out")
    options = parser.parse_args()
    steps, repeats = (10, 3) if options.quick else (30, 7)
    jax = not options.no_jax and importlib.util.find_spec("jax") is not None
    if not jax:
        print("jax is not installed (or left out): no figures for (3)")
    engine: EngineName = "fused" if importlib.util.find_spec("numba") is not None else "autograd"
    if engine == "autograd":
        print("numba is not installed: the sweep is (6)")
    if not torch.backends.mkldnn.is_available():
        print("torch has no oneDNN here: no figures for (5)")
    torch.set_num_threads(1)
    # Spawned before jax is imported, and used for nothing else.
    with ProcessPoolExecutor(options.cores, mp_context=get_context("spawn"), initializer=begin) as pool:
        for activation, width in itertools.product(options.activations, options.widths):
            network = network_of(activation, width, options.depth)
            rounds = [measure(network, options.cores, steps, pool, jax, engine) for _ in range(repeats)]
            rows = rows_of(network, {name: statistics.median(each[name] for each in rounds) for name in rounds[0]})
            where = f"depth {options.depth}, batch {BATCH}, everything recorded, cores: {options.cores}"
            print_table(f"{activation} {width}: {where}", COLUMNS, rows)


if __name__ == "__main__":
    main()
