"""The pictures and reports that commands leave in a folder; the names of the files are printed."""

from pathlib import Path
from typing import TYPE_CHECKING

from vanishlab.errors import InputError
from vanishlab.language.sentences import say

if TYPE_CHECKING:
    from vanishlab.recording.record import Record
    from vanishlab.theory.prediction import Prediction


def pictures_of_record(rates: int) -> list[str]:
    """Return the names of the files that `draw_record` may leave for a record of so many learning rates."""
    names = ["start", "end", "meaning", "history", "training", "update_ratio"]
    return _files(*names, *(["learning_rate"] if rates > 1 else []))


def pictures_of_theory() -> list[str]:
    """Return the names of the files that `draw_theory` may leave."""
    return _files("prediction", "meaning", "phase_diagram")


def _files(*names: str) -> list[str]:
    return [f"{name}.{suffix}" for name in names for suffix in ("png", "svg")]  # as `plots.save_both` has them


def draw_record(record: "Record", folder: Path) -> None:
    """Draw everything that shows a record of `train`."""
    from vanishlab import plots

    if len(record.step) == 0:
        print(say("no step was recorded, so there is nothing to draw"))
        return
    figures = {
        "start": plots.three_curves(record, 0),
        "end": plots.three_curves(record),
        "meaning": plots.meaning_curves(record, 0),
        "history": plots.history_figure(record),
        "training": plots.training_figure(record),
        "update_ratio": plots.update_ratio_figure(record),
    }
    if plots.RateScale.of([record]).comparable:
        figures["learning_rate"] = plots.learning_rate_figure(record)
    for name, figure in figures.items():
        print(*plots.save_both(figure, folder / name))


def draw_theory(prediction: "Prediction", record: "Record | None", folder: Path) -> None:
    """Draw a prediction, over the record where there is one, and its network in the phase diagram."""
    from vanishlab import plots
    from vanishlab.theory.meanfield.fixed_points import network_point
    from vanishlab.theory.phases import phase_diagram

    print(*plots.save_both(plots.prediction_figure(prediction, record), folder / "prediction"))
    print(*plots.save_both(plots.prediction_figure(prediction, record, plots.MEANING), folder / "meaning"))
    network = prediction.network
    try:
        point = network_point(network)
    except InputError:
        return  # its sentence has been printed
    diagram = phase_diagram(network.activation, around=point)
    points = {say("your network ({initialization})", initialization=network.initialization): point}
    print(*plots.save_both(plots.phase_figure(diagram, points, depth=network.depth), folder / "phase_diagram"))


def draw_report(paths: list[Path], out: Path) -> None:
    """Write the report of these paths behind a bar, and print its name and size."""
    from vanishlab.cli.helpers import helper_to_draw
    from vanishlab.cli.running import counted

    with helper_to_draw(paths) as helper, counted(say("drawing the report")) as told:
        from vanishlab.report import write_report

        written = write_report(paths, out, progress=told, executor=helper and helper.executor)
    print(f"{written} ({written.stat().st_size / 1e6:.1f} MB)")
