"""Which published results does the lab find again? Runs every script of this folder and prints one table.

Run     python experiments/published/run_all.py              # the whole table; times stand in each script's head
        python experiments/published/run_all.py --quick      # the smaller versions
        python experiments/published/run_all.py --only he_2015 saxe_2014
        python experiments/published/run_all.py --write experiments/published/README.md
Writes  results/published/: the scripts' pictures, and table.md. `--write` also puts the table between the two markers
        of a Markdown file. Exit code 1 where a row does not hold or a script fails.
"""

import importlib.util
import platform
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import torch
from claims import Claim, NotMeasuredError, cells, columns, show

from vanishlab.cli.console import run
from vanishlab.errors import InputError, check_choice
from vanishlab.files import output_folder, write_whole
from vanishlab.language.sentences import listed, say

FOLDER = Path(__file__).parent
SHARED = ("claims", "run_all")
SCRIPTS = tuple(sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in SHARED))
BEGIN, END = "<!-- table -->", "<!-- end of table -->"


@dataclass(frozen=True)
class Outcome:
    """What one script gave: its claims, or why there are none."""

    script: str
    source: str
    claims: list[Claim]
    seconds: float
    failure: str = ""
    absent: str = ""

    @property
    def holds(self) -> bool:
        """Whether nothing failed; what could not be measured counts as neither."""
        return not self.failure and all(claim.holds for claim in self.claims)


def main(
    quick: bool = False,
    only: tuple[str, ...] = (),
    out: Path = Path("results/published"),
    write: Path | None = None,
) -> None:
    """Measure the published results again and print them in one table.

    Args:
        quick: The smaller version of each script.
        only: Names of the scripts to run; all of them where not given.
        out: Folder for the pictures and table.md.
        write: Markdown file whose table is to be replaced.
    """
    for name in only:
        check_choice("only", name, SCRIPTS)
    if write is not None:
        _split(write)  # a mistake here should not come to light after an hour
    output_folder(out)
    outcomes = []
    for name in only or SCRIPTS:
        outcomes.append(outcome := _outcome(name, quick, out))
        title = say(
            "{source} ({script}, {seconds:.0f} s)", source=outcome.source, script=f"{name}.py", seconds=outcome.seconds
        )
        show(title, outcome.claims)
        absent = outcome.absent and say("not measured: {reason}", reason=outcome.absent)
        for line in filter(None, (outcome.failure, absent)):
            print(say("{name}: {line}", name=name, line=line), flush=True)
    table = markdown(outcomes, quick)
    write_whole(out / "table.md", lambda file: file.write(table.encode()))
    if write is not None:
        before, after = _split(write)
        write_whole(write, lambda file: file.write(f"{before}{BEGIN}\n{table}{END}{after}".encode()))
    rows = [claim for outcome in outcomes for claim in outcome.claims]
    failed = [outcome.script for outcome in outcomes if not outcome.holds]
    holding = sum(claim.holds for claim in rows)
    print(say("{count} of {all} rows hold; table in {path}", count=holding, all=len(rows), path=out / "table.md"))
    if failed:
        print(say("does not hold: {scripts}", scripts=listed(failed)), file=sys.stderr)
        sys.exit(1)


def load(name: str) -> ModuleType:
    """Import a script of this folder by its name."""
    specification = importlib.util.spec_from_file_location(f"published_{name}", FOLDER / f"{name}.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    return module


def markdown(outcomes: list[Outcome], quick: bool) -> str:
    """Return the whole table as Markdown, a part for each script."""
    lines = [
        say(
            "Measured with {size}torch {version} on {system} ({machine}), {minutes:.0f} minutes in all.",
            size="`--quick`, " if quick else "",
            version=torch.__version__,
            system=platform.system(),
            machine=platform.machine(),
            minutes=sum(outcome.seconds for outcome in outcomes) / 60,
        )
    ]
    for outcome in outcomes:
        lines += ["", f"### [{outcome.source}]({outcome.script}.py)", ""]
        if outcome.failure or outcome.absent:
            lines.append(say("Not measured: {reason}", reason=outcome.failure or outcome.absent))
        else:
            lines += [_line(columns()), _line(["---"] * len(columns()))]
            lines += [_line(cells(claim)) for claim in outcome.claims]
            noted = [claim for claim in outcome.claims if claim.note]
            lines += ["", *(say("*{result}*: {note}.  ", result=each.result, note=each.note) for each in noted)]
    return "\n".join(lines).rstrip() + "\n"


def _outcome(name: str, quick: bool, out: Path) -> Outcome:
    module, start = load(name), time.perf_counter()
    claims: list[Claim] = []
    failure = absent = ""
    try:
        claims = module.measure(quick, out)
    except NotMeasuredError as reason:
        absent = str(reason)
    except Exception as error:  # one script's failure is not the others'
        traceback.print_exc()
        failure = say("failed, {kind}: {error}", kind=type(error).__name__, error=error)
    return Outcome(name, say(module.SOURCE), claims, time.perf_counter() - start, failure, absent)


def _split(path: Path) -> tuple[str, str]:
    """Return what stands before and after the table in a Markdown file."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if BEGIN not in text or END not in text:
        raise InputError(f"write must be a Markdown file with the lines {BEGIN!r} and {END!r}, got {str(path)!r}")
    return text.split(BEGIN)[0], text.split(END)[1]


def _line(entries: list[str]) -> str:
    return "| " + " | ".join(entry.replace("|", "\\|") for entry in entries) + " |"


if __name__ == "__main__":
    run(main)
