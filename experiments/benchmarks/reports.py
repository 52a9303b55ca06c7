"""Does the verdict name what people bring: cut graphs, losses that ignore their targets, optimizers of another model?

Setup   tests/zoo_reports.py: the kinds of fault found in public reports of networks that did not learn, rebuilt small,
        each beside its mended version. A case is right if its first verdict is its label, and, where that is a good
        one, if nothing else is said. They were written with the rules in sight: nothing here is held out.
Expect  98 % right, and no alarm on the mended ones.
Run     python experiments/benchmarks/reports.py              # half a minute on one core
        python experiments/benchmarks/reports.py --seeds 3
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

import zoo

from vanishlab.analysis.verdict import WELL
from vanishlab.cli.tables import print_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1, help="draws of each model")
    seeds = range(parser.parse_args().seeds)
    rows, right, alarms = [], 0, 0
    for one in zoo.BROUGHT:
        for seed in seeds:
            diagnosis = zoo.look(one, seed).diagnosis
            first, well = diagnosis.verdicts[0], one.label in WELL
            hit = first.name == one.label and (not well or len(diagnosis.verdicts) == 1)
            right += hit
            alarms += well and not diagnosis.healthy
            cause = f" ({first.cause})" if first.cause else ""
            how = "one batch" if one.training is None else "training"
            rows.append([one.name, how, one.label, f"{first.name}{cause}", "" if hit else "no"])
    columns = ("case", "looked at", "label", "first verdict", "right")
    print_table(f"{right} of {len(rows)} looks right, {alarms} alarms on what is well", columns, rows)


if __name__ == "__main__":
    main()
