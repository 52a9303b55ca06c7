"""Is the verdict right on what people train, as published and with an illness put in?

Setup   tests/zoo_architectures.py: U-Net, LSTM and GRU language models, GCN, DCGAN's discriminator, VAE, PINN in plain
        torch; from transformers GPT-2, BERT, ViT, Llama and T5; from timm ResNet-18, ConvNeXt and EfficientNet; small,
        on tasks that 50 steps of Adam make headway with. Each is looked at in one batch and by the record of 50 steps,
        healthy and with each illness that fits it. An illness is one only if it harms: if a quarter of the healthy
        model's decrease of the loss is missing, and still is after three times as many steps. One that is made up for
        by then is a delay, and is counted apart. A model whose loss does not fall as published is left out, for of it
        nothing can be said. An illness is found if one of both looks has a verdict that calls for a remedy, whatever
        its name, in the place where it was put, where it has one. What the network shrugs off counts as neither.
Expect  no alarm on healthy models, 90 % of what harms found.
Run     python experiments/benchmarks/architectures.py            # some minutes on one core
        python experiments/benchmarks/architectures.py --quick    # plain torch alone
Needs   transformers and timm for theirs; what is not installed is said and left out.
"""

import argparse
import re
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

import zoo_architectures as zoo
import zoo_others
import zoo_packages as packages

from vanishlab.analysis.diagnosis import Diagnosis
from vanishlab.analysis.verdict import WELL, named
from vanishlab.cli.tables import print_table

PUBLISHED, TOGETHER = "as published", "together"
COLUMNS = ("network", "illness", "one batch", "training", "loss", "")
TALLY = ("illness", "found", "missed", "delays named", "other delays", "no harm, named", "no harm")
PACKAGES = {
    "transformers": (packages.from_transformers, packages.others_from_transformers),
    "timm": (packages.from_timm, packages.others_from_timm),
}


def is_found(diagnosis: Diagnosis, places: tuple[str, ...]) -> bool:
    """Return whether a verdict that calls for a remedy names one of `places`, or a layer inside it; "" is anywhere."""
    return any(
        verdict.name not in (*WELL, "not enough evidence")
        and (
            not place
            or names(verdict.sentence, place)
            or any(f"{each}.".startswith(f"{place}.") for each in verdict.layers)
        )
        for verdict in diagnosis.verdicts
        for place in places
    )


def names(sentence: str, place: str) -> bool:
    """Return whether `place` stands in the sentence by its whole name."""
    return re.search(rf"(?<![\w.]){re.escape(place)}(?!\w)", sentence) is not None


def summary(diagnosis: Diagnosis) -> str:
    return ", ".join(dict.fromkeys(named(verdict) for verdict in diagnosis.verdicts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="plain torch alone")
    parser.add_argument("--others", action="store_true", help="those that were looked at after the rules were made")
    parser.add_argument("--steps", type=int, default=50, help="of training")
    parser.add_argument("--seed", type=int, default=0, help="of the weights")
    parser.add_argument("--only", default="", help="patients whose name holds this")
    options = parser.parse_args()
    patients = list(zoo_others.PLAIN if options.others else zoo.PLAIN)
    for package, (more, others) in PACKAGES.items():
        more = others if options.others else more
        if options.quick or find_spec(package) is None:
            print(f"left out: the models of {package}, " + ("--quick" if options.quick else "not installed"))
        else:
            patients += more()
    rows: list[list[str]] = []
    count: Counter[Any] = Counter()
    for patient in [one for one in patients if options.only.lower() in one.name.lower()]:
        healthy = zoo.follow(patient, steps=options.steps, seed=options.seed)
        calm = healthy.before.healthy and healthy.during.healthy
        well = zoo.learns(healthy.losses)
        told = "left out: its loss does not fall" if not well else "" if calm else "ALARM"
        rows.append([patient.name, PUBLISHED, summary(healthy.before), summary(healthy.during),
                     f"{healthy.losses[0]:.3g} to {healthy.losses[-1]:.3g}", told])  # fmt: skip
        print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
        if not well:
            continue
        count["well"] += 1
        count["alarms"] += not calm
        for illness in patient.illnesses:
            course = zoo.follow(patient, illness, options.steps, options.seed, healthy.losses)
            places = zoo.places(illness, patient)
            found = is_found(course.before, places) or is_found(course.during, places)
            lasting = zoo.harms(healthy.losses, course.at_last)
            effect = "harm" if lasting else "delay" if zoo.harms(healthy.losses, course.losses) else "no harm"
            for row in (illness.name, TOGETHER):
                count[row, effect, found] += 1
            told = ("found" if found else "MISSED") if lasting else effect + ", named" * found
            end = f"{course.losses[0]:.3g} to {course.losses[-1]:.3g}" + f", {course.at_last[-1]:.3g}" * lasting
            rows.append([patient.name, illness.name, summary(course.before), summary(course.during), end, told])
            print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
    print_table("what is said of real architectures", COLUMNS, rows)
    names = dict.fromkeys(row[1] for row in rows if row[1] != PUBLISHED)
    effects = [(effect, named) for effect in ("harm", "delay", "no harm") for named in (True, False)]
    tally = [[name, *(count[(name, *each)] for each in effects)] for name in (*names, TOGETHER)]
    print_table("what was found", TALLY, tally)
    print(f"{count['alarms']} alarms on {count['well']} healthy models")


if __name__ == "__main__":
    main()
