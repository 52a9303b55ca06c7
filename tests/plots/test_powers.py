"""Labels of logarithmic axes: text where the font has the digits, matplotlib's formulas else."""

from collections.abc import Iterator

import pytest
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vanishlab.plots.powers import decade_label, log_scale, plain_powers


def labels_of(low: float, high: float, *, text: bool) -> list[str]:
    """What the ticks of a logarithmic axis read, the minor ones last."""
    figure = Figure(layout="constrained")
    ax: Axes = figure.subplots()
    if text:
        log_scale(ax.yaxis)
    else:
        ax.set_yscale("log")
    ax.set_ylim(low, high)
    figure.draw_without_rendering()
    ticks = [*ax.yaxis.get_major_ticks(), *ax.yaxis.get_minor_ticks()]
    return [tick.label1.get_text() for tick in ticks]


@pytest.mark.parametrize(("low", "high"), [(1e-12, 1.0), (0.3, 5.0), (1e-100, 1e100), (20.0, 30.0)])
def test_the_same_ticks_have_the_same_labels_without_formulas(low: float, high: float) -> None:
    formulas, texts = labels_of(low, high, text=False), labels_of(low, high, text=True)
    assert texts == [plain_powers(label) for label in formulas]
    assert any("$" in label for label in formulas) and not any("$" in label for label in texts)


@pytest.fixture
def without_raised() -> Iterator[None]:
    """A font that lacks the digits."""
    with rc_context({"font.family": ["STIXGeneral"]}):
        yield


def test_a_font_without_raised_digits_is_left_to_formulas(without_raised: None) -> None:
    assert decade_label(-3) == "$10^{-3}$"
    assert labels_of(1e-12, 1.0, text=True) == labels_of(1e-12, 1.0, text=False)


def test_latex_is_left_its_formulas() -> None:
    with rc_context({"text.usetex": True}):
        assert decade_label(-3) == "$10^{-3}$"
