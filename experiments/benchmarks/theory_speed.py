"""How long does `predict` take at depth 100 and 1,000, on 256 inputs and one core?

Setup   256 digits; every activation and initialisation at depth 100, twelve cases at depth 1,000, residual and batch-
        normalised ones. Each case runs in a process of its own, single-threaded; CPU seconds of the first call there
        (cold: it builds the kernels' tables) and the median of three more (warm).
Expect  Depth 100 within 1 s and depth 1,000 within 10 s, cold. Batch-normalised networks have no bar: their layers are
        means over thousands of units.
Run     python experiments/benchmarks/theory_speed.py             # some minutes
        python experiments/benchmarks/theory_speed.py --quick     # one initialisation
"""

import argparse
import os
import subprocess
import sys
from typing import get_args

from vanishlab.config import ActivationName, InitializationName

EXAMPLES = 256
BAR = {100: 1.0, 1000: 10.0}
DEEP = (("tanh", "xavier_normal"), ("sigmoid", "torch_default"), ("relu", "kaiming_normal"), ("gelu", "lecun_normal"),
        ("hardtanh", "orthogonal"), ("hardtanh", "xavier_normal"), ("silu", "kaiming_normal"),
        ("gelu", "kaiming_normal"), ("selu", "kaiming_normal"), ("softsign", "xavier_normal"),
        ("softplus", "torch_default"), ("erf", "lecun_normal"))  # fmt: skip
RESIDUAL = (("silu", 20), ("gelu", 20), ("softplus", 20), ("tanh", 100), ("relu", 100))
BATCH_NORM = ("relu", "tanh", "gelu", "linear")
ONE_CASE = """
import statistics, sys, time
from vanishlab import InputError, NetworkConfig, load_data, predict
data = load_data("digits", max_examples=int(sys.argv[1]))
network = NetworkConfig(**eval(sys.argv[2]))
seconds = []
for _ in range(4):
    start = time.process_time()
    try:
        predict(network, data)
    except InputError as refusal:
        print("refused:", refusal)
        sys.exit()
    seconds.append(time.process_time() - start)
print(seconds[0], statistics.median(seconds[1:]))
"""


def measure(settings: dict[str, object]) -> str | tuple[float, float]:
    """Return CPU seconds (cold, warm) of one case in a process of its own, or why it is refused."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    command = [sys.executable, "-c", ONE_CASE, str(EXAMPLES), repr(settings)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **threads})
    if done.stdout.startswith("refused"):
        return done.stdout.strip()
    cold, warm = done.stdout.split()
    return float(cold), float(warm)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="xavier_normal alone, nothing deeper than 100")
    options = parser.parse_args()
    names = ("xavier_normal",) if options.quick else get_args(InitializationName)
    cases = [
        {"depth": 100, "activation": activation, "initialization": name}
        for activation in get_args(ActivationName)
        for name in names
    ]
    if not options.quick:
        cases += [{"depth": 1000, "activation": activation, "initialization": name} for activation, name in DEEP]
        cases += [
            {"depth": depth, "activation": activation, "initialization": "lecun_normal", "residual": "plain"}
            for activation, depth in RESIDUAL
        ]
        cases += [
            {"depth": 100, "activation": activation, "initialization": "lecun_normal", "normalization": "batch"}
            for activation in BATCH_NORM
        ]
    print(f"{'case':<52}{'cold':>8}{'warm':>8}  within the bar")
    worst: dict[int, tuple[float, str]] = {}
    for case in cases:
        label = " ".join(str(value) for value in case.values())
        seconds = measure(case)
        if isinstance(seconds, str):
            print(f"{label:<52}{seconds}")
            continue
        cold, warm = seconds
        plain = "residual" not in case and "normalization" not in case
        depth = int(str(case["depth"]))
        bar = BAR[depth] if plain else None
        verdict = "" if bar is None else "yes" if cold <= bar else "warm only" if warm <= bar else "NO"
        print(f"{label:<52}{cold:>8.2f}{warm:>8.2f}  {verdict}", flush=True)
        if plain:
            worst[depth] = max(worst.get(depth, (0.0, "")), (cold, label))
    for depth, (cold, label) in worst.items():
        print(f"depth {depth}: worst {cold:.2f} s of CPU, cold ({label}); bar {BAR[depth]:g} s")


if __name__ == "__main__":
    main()
