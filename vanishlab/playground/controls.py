"""The page's controls: marimo's elements, read as `Settings`. Needs marimo."""

from collections.abc import Mapping
from typing import Any, get_args

import marimo as mo

from vanishlab.config import SCALED_INITIALIZATIONS, ActivationName, InitializationName, NormalizationName
from vanishlab.data import OFFLINE_NAMES
from vanishlab.errors import InputError
from vanishlab.language.sentences import say
from vanishlab.playground.settings import MAX_DEPTH, MAX_STEPS, Settings
from vanishlab.report.values import value_in_words

WIDTHS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
EXAMPLES = (1, 2, 8, 16, 32, 64, 128, 256, 512, 1000)
STEPS = (0, 1, 5, 10, 20, 30, 40, 60, 100, 200, 500, 1000, 2000, MAX_STEPS)
RATES = tuple(float(f"{digit}e{power}") for power in range(-4, 6) for digit in (1, 1.5, 2, 3, 5, 7))
BRANCHES = (0.1, 0.3)


def panel(start: Settings) -> dict[str, Any]:
    """Return all controls by the name of their setting, set to `start`, in the language that holds.

    Each is an element of its own. Of changes to one element that come while the page is busy marimo keeps the last
    alone, and were they one `mo.ui.dictionary`, a change of another control would be lost with the rest.
    """

    def slider(name: str, label: str, steps: Any = None, **bounds: Any) -> Any:
        given = {"steps": steps} if steps else bounds
        value = getattr(start, name)
        return mo.ui.slider(**given, value=value, label=label, show_value=True, full_width=True)

    def dropdown(name: str, label: str, options: Mapping[str, Any]) -> Any:
        chosen = next(option for option, value in options.items() if value == getattr(start, name))
        return mo.ui.dropdown(dict(options), value=chosen, label=label, full_width=True)

    def number(name: str, label: str) -> Any:
        return mo.ui.number(value=getattr(start, name), step=0.05, label=label, full_width=True)

    def named(setting: str, names: Any) -> dict[str, str]:
        return {value_in_words(setting, name): name for name in get_args(names)}

    scaled = {
        say("{name} (σ_w, σ_b)", name=name) if value in SCALED_INITIALIZATIONS else name: value
        for name, value in named("initialization", InitializationName).items()
    }
    branches = {say("none"): "none", say("plain, h + φ(z)"): "plain"}
    branches |= {f"h + {scale:g} φ(z)": scale for scale in BRANCHES}
    branches[say("learned scale, from 0")] = "learned"
    return {
        "depth": slider("depth", say("depth (hidden layers)"), start=1, stop=MAX_DEPTH, step=1),
        "width": slider("width", say("width"), WIDTHS),
        "learning_rate": slider("learning_rate", say("learning rate"), RATES),
        "steps": slider("steps", say("steps"), STEPS),
        "activation": dropdown("activation", say("activation"), named("activation", ActivationName)),
        "initialization": dropdown("initialization", say("initialisation"), scaled),
        "normalization": dropdown("normalization", say("normalisation"), named("normalization", NormalizationName)),
        "residual": dropdown("residual", say("residual connections"), branches),
        "sigma_w": number("sigma_w", say("σ_w, scale of weights")),
        "sigma_b": number("sigma_b", say("σ_b, scale of biases")),
        "data": dropdown("data", say("data set"), {name: name for name in OFFLINE_NAMES}),
        "examples": slider("examples", say("training examples"), EXAMPLES),
    }


def laid_out(elements: Mapping[str, Any]) -> Any:
    """Return the controls in a grid that folds into fewer columns on a narrow window."""
    cells = "".join(f'<div class="vl-control" data-control="{name}">{elements[name]}</div>' for name in elements)
    return mo.Html(f'<div class="vl-controls">{cells}</div>')


def settings(values: Mapping[str, Any]) -> Settings:
    """Return what the controls say. Raises `InputError` for what cannot be."""
    # marimo hands whole numbers on as floats where a slider has steps of its own.
    whole = {name: int(values[name]) for name in ("depth", "width", "steps", "examples")}
    return Settings(**{**values, **whole})


def code(values: Mapping[str, Any]) -> Any:
    """Return the lines that do what is on screen, each with a button that copies them."""
    try:
        wanted = settings(values)
        wanted.network()
        wanted.training()
    except InputError:
        return None  # the sentence stands above
    return mo.vstack(
        [
            mo.md(say("These lines do what is on screen, to the same bits; the button at their right copies them:")),
            _copied("python", wanted.python_lines()),
            mo.md(say("or, from the shell:")),
            _copied("bash", wanted.shell_line()),
        ]
    )


def _copied(syntax: str, lines: str) -> Any:
    """Return lines of code as marimo's Markdown shows them, with its button that copies them."""
    html = mo.md(f"```{syntax}\n{lines}\n```").text
    # The button copies all that is in the block. Without the last end of line, a shell waits for the Enter key.
    return mo.Html(f'<div class="vl-lines">{html.replace(chr(10) + "</code>", "</code>")}</div>')
