"""How often is the verdict right on models whose sickness is known, and how often are three published rules?

Setup   tests/zoo.py: labelled models, healthy and sick; labels follow from how each is made. Thresholds were set on one
        half (chosen by a hash of the names); the table is that of the other half. A case is right if its first verdict
        is its label, and, where that is a good one, if nothing else is said. The published rules see what they ask for,
        the weight gradients of one batch:
          mean      vanishing if some layer's mean |g| is below 1e-7
          ratio     vanishing if first / last gradient norm < 1e-3 and the first < 1e-4; exploding if the ratio > 70
          zeros     dying if some layer's gradient is zero in at least 70 % of its entries
        They are counted twice: by the name, and by the question "sick or not" alone, where any alarm on any sick
        model counts as right.
Expect  at least 95 % of the held-out half right, no healthy model called sick, and ahead of every rule on both counts.
Run     python experiments/benchmarks/verdicts.py             # held-out half, a quarter of a minute on one core
        python experiments/benchmarks/verdicts.py --all --seeds 5
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

import zoo

from vanishlab.cli.tables import print_table

WELL = ("healthy", "converged", "levelled out", "not enough evidence")


def mean_rule(gradients: tuple[np.ndarray, ...]) -> str:
    """Return "vanishing" if some layer's mean |g| is below 1e-7."""
    return "vanishing" if any(np.abs(gradient).mean() < 1e-7 for gradient in gradients) else "healthy"


def ratio_rule(gradients: tuple[np.ndarray, ...]) -> str:
    """Return the verdict of the first layer's gradient norm over the last one's."""
    if not gradients:
        return "healthy"
    first, last = (float(np.linalg.norm(gradients[place])) for place in (0, -1))
    ratio = first / last if last > 0 else np.nan
    if ratio < 1e-3 and first < 1e-4:
        return "vanishing"
    return "exploding" if ratio > 70 else "healthy"


def zeros_rule(gradients: tuple[np.ndarray, ...]) -> str:
    """Return "dead" if some layer's gradient is zero in at least 70 % of its entries."""
    return "dead" if any((gradient == 0).mean() >= 0.7 for gradient in gradients) else "healthy"


RULES = {"mean |g| < 1e-7": mean_rule, "first / last ratio": ratio_rule, "70 % zeros": zeros_rule}


def is_right(label: str, names: tuple[str, ...]) -> bool:
    """Return whether the first verdict is the label, and, of a well model, the only one."""
    return names[0] == label and (label not in WELL or len(names) == 1)


def measure(cases: tuple[zoo.Case, ...], seeds: int) -> tuple[Counter, dict[str, list[int]], list[str]]:
    """Return the confusion counts, [right by name, right by sick or not, false alarms] per judge, and the misses."""
    confusion: Counter = Counter()
    scores = {judge: [0, 0, 0] for judge in ("vl.diagnose", *RULES)}
    misses = []
    for one in cases:
        for seed in range(seeds):
            specimen = zoo.look(one, seed)
            names = specimen.diagnosis.names
            confusion[one.label, names[0]] += 1
            said = {judge: (rule(specimen.gradients),) for judge, rule in RULES.items()} | {"vl.diagnose": names}
            for judge, what in said.items():
                alarm, sick = any(name not in WELL for name in what), one.label not in WELL
                # A published rule has one word for all that is well.
                named = is_right(one.label, what) or (judge != "vl.diagnose" and not sick and not alarm)
                scores[judge][0] += named
                scores[judge][1] += alarm == sick
                scores[judge][2] += alarm and not sick
            if not is_right(one.label, names):
                misses.append(f"{one.name} (seed {seed}): {one.label}, but {', '.join(names)}")
    return confusion, scores, misses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="both halves")
    parser.add_argument("--seeds", type=int, default=1, help="draws of each model")
    options = parser.parse_args()
    cases = zoo.CASES if options.all else zoo.held_out()
    confusion, scores, misses = measure(cases, options.seeds)
    labels = sorted({label for label, _ in confusion}, key=lambda label: [*WELL, label].index(label))
    said = [*labels, *sorted({name for _, name in confusion} - set(labels))]
    total = sum(confusion.values())
    which = "all cases" if options.all else "held-out half"
    print_table(
        f"{total} looks at {len(cases)} models ({which}): label down, first verdict across, by the same numbers",
        ("label", *map(str, range(1, len(said) + 1))),
        [
            [f"{place} {label}", *(str(confusion[label, name] or "") for name in said)]
            for place, label in enumerate(said, 1)
        ],
    )
    well = sum(count for (label, _), count in confusion.items() if label in WELL)
    columns = ("judge", "right by name", "right by sick or not", f"alarms on the {well} that are well")
    rows = [
        [judge, f"{100 * a / total:.1f} %", f"{100 * b / total:.1f} %", str(c)] for judge, (a, b, c) in scores.items()
    ]
    print_table("the verdict beside published rules", columns, rows)
    print(*(misses or ["no misses"]), sep="\n")


if __name__ == "__main__":
    main()
