"""Does `vl.try_remedies` mend the sick MLPs of the zoo?

Setup   The plain MLPs of tests/zoo.py whose sickness has a known cure, healthy ones left out. Each remedy that fits is
        tried on copies, 30 steps on one batch. A patient is mended if one of them ends healthy by the verdict with a
        median loss below the untouched model's in every seed.
Expect  all 31 mended. Beside the best remedy: how many of those tried mend.
Run     python experiments/benchmarks/mending.py              # three seeds, some five minutes on one core
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

import zoo

from vanishlab import try_remedies
from vanishlab.analysis.remedies.table import RemedyTable
from vanishlab.cli.tables import print_table

PATIENTS = tuple(one for one in zoo.CASES if one.plain)


def mend(patient: zoo.Case, seeds: tuple[int, ...]) -> RemedyTable:
    """Return what each remedy does to one patient, at its own learning rate."""
    _, loss_fn, batch = patient.build()
    rate = patient.training.rate if patient.training else 0.05
    return try_remedies(lambda: patient.build()[0], loss_fn, [batch], learning_rate=rate, seeds=seeds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="seeds of each trial")
    seeds = tuple(range(parser.parse_args().seeds))
    rows, mended = [], 0
    for patient in PATIENTS:
        table = mend(patient, seeds)
        best = table.best
        mended += best is not None
        tried = f"{sum(map(table.mends, table.trials))} of {len(table.trials)}"
        after = ("none", "") if best is None else (best.name, f"{best.median_loss:.3g}")
        rows.append([patient.name, patient.label, tried, *after, f"{table.untouched.median_loss:.3g}"])
    columns = ("patient", "sickness", "remedies that mend", "best", "loss with it", "loss without")
    print_table(f"{mended} of {len(PATIENTS)} patients mended, medians over {len(seeds)} seeds", columns, rows)


if __name__ == "__main__":
    main()
