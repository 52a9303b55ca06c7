"""The page's HTML: numbers, sentences and pictures put together, and what is not ours alone escaped."""

import base64
import math
from collections.abc import Iterable, Sequence
from html import escape

from vanishlab.analysis.verdict import WELL
from vanishlab.language.chinese import CHINESE
from vanishlab.language.chinese_refusals import REFUSALS
from vanishlab.language.refusals import in_words
from vanishlab.language.sentences import LANGUAGES, listed, paragraph, say, speaking, spoken
from vanishlab.playground.measuring import Result
from vanishlab.playground.pictures import END, START, THEORY, Picture, curve_picture, pictures_of
from vanishlab.plots.web_font import WEB_FAMILY, font_face

# The first line: marimo's green and red, with a pointer on them or not, are too pale for its buttons' white letters.
# The second line: marimo's menu has no name for a screen reader, and is of a notebook's files, not of this page.
STYLE = """<style>
:root, .light, .light-theme {--grass-9: #2a7a3b; --grass-10: #236a33; --red-9: #c62a2f; --red-10: #ab2026}
button[aria-haspopup="menu"] {display: none}
.vl h1 {font-size: 1.6rem; margin: 0 0 .2rem}
.vl p {margin: .25rem 0}
.vl-grid {display: grid; gap: 12px; grid-template-columns: repeat(auto-fit, minmax(min(320px, 100%), 1fr))}
.vl-pair {display: grid; gap: 12px; grid-template-columns: repeat(auto-fit, minmax(min(300px, 100%), 1fr))}
.vl figure {margin: 0; padding: 8px; border-radius: 10px; background: #fff; color: #222;
  border: 1px solid #8884; min-width: 0}
.vl figure img {width: 100%; max-width: 680px; display: block; margin: 0 auto}
.vl-answer ~ figure {max-width: 700px}
.vl figcaption {font-size: .9rem; font-weight: 600; text-align: center}
.dark .vl figure {background: #17181a; color: #ddd}
.dark .vl figure img {filter: invert(.91) hue-rotate(180deg)}
.dark .vl figure.vl-history {background: #ddd; color: #222}
.dark .vl figure.vl-history img {filter: brightness(.867)}
.vl-head {font-weight: 700}
.vl-verdict {border-left: 6px solid #c2410c; padding: .4rem .9rem; margin: .5rem 0; border-radius: 4px;
  background: #c2410c14}
.vl-verdict.well {border-color: #15803d; background: #15803d14}
.vl-verdict b {font-size: 1.15rem}
.vl-key {display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; font-size: .85rem; margin: .5rem 0}
.vl-key i {display: inline-block; width: 1.6em; height: .28em; vertical-align: middle; margin-right: .4em}
.vl-key i.dot {width: .6em; height: .6em; border-radius: 50%}
.vl-key i.band {height: .9em; opacity: .35}
.vl-bar {height: 8px; border-radius: 4px; background: #8883; overflow: hidden; margin: .4rem 0}
.vl-bar div {height: 100%; background: #0072B2}
.vl-busy {opacity: .55}
.vl table {border-collapse: collapse; font-size: .9rem; margin: .6rem 0; display: block; overflow-x: auto}
.vl td, .vl th {padding: .25rem .7rem; border-bottom: 1px solid #8884; text-align: right; white-space: nowrap}
.vl td:first-child, .vl th:first-child {text-align: left}
.vl-controls {display: grid; gap: .4rem 1.6rem; grid-template-columns: repeat(auto-fill, minmax(min(240px, 100%), 1fr));
  align-items: end}
.vl-lines :is(pre, code) {white-space: pre-wrap; overflow-wrap: anywhere}
.vl-lines pre {padding-right: 2.5rem}
.vl-lines .codehilite-wrapper > div {opacity: 1}
.vl-lines .codehilite-wrapper button:focus-visible {outline: 2px solid currentColor; border-radius: 4px}
</style>"""


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def header() -> str:
    """Return the top of the page: what it is, and the way to its other languages."""
    title = escape(say("vanishlab playground"))
    question = escape(
        say(
            "What happens to the gradient on its way back through a deep network? Move a slider: a network is trained, "
            "predicted and drawn."
        )
    )
    others = " · ".join(
        f'<a href="?language={code}" target="_self">{_own_name(code)}</a>' for code in LANGUAGES if code != spoken()
    )
    return STYLE + _block(f"<h1>{title}</h1><p>{question} {others}</p>")


def _own_name(language: str) -> str:
    """Return the name of a language in that language, as those who read it look for it."""
    with speaking(language):
        return say("English")


def glyphs() -> str:
    """Return the style with the Chinese characters that the page may show: in Chinese all, else those of the link."""
    spoken_here = "".join((*CHINESE.values(), *REFUSALS.values()))
    rule = font_face(spoken_here if spoken() == "zh" else "".join(map(_own_name, LANGUAGES)))
    fonts = (("text", '"PT Sans", sans-serif'), ("heading", '"Lora", serif'))  # marimo's own
    names = "".join(f"--marimo-{kind}-font: {WEB_FAMILY}, {own};" for kind, own in fonts)
    return f"<style>{rule} :root {{{names}}}</style>" if rule else ""


def progress(step: int, steps: int, seconds: float, before: str = "") -> str:
    """Return a bar at `step` of `steps`, reached after `seconds`, above what was shown before, paled."""
    words = say("step {step} of {steps}", step=step, steps=steps)
    if step and seconds > 1.0:
        words = say("{progress}, about {seconds:.0f} s left", progress=words, seconds=seconds / step * (steps - step))
    share = 100.0 * step / max(steps, 1)
    bar = f'<p class="vl-progress">{escape(words)}</p><div class="vl-bar"><div style="width: {share:.1f}%"></div></div>'
    return _block(bar) + (f'<div class="vl-busy">{before}</div>' if before else "")


def waiting(words: str, before: str = "") -> str:
    """Return words above what was shown before, paled."""
    return _block(f'<p class="vl-progress">{escape(words)}</p>') + (
        f'<div class="vl-busy">{before}</div>' if before else ""
    )


def failure(sentence: str) -> str:
    """Return the one sentence for what could not be done."""
    words = say("This cannot be done: {why}.", why=in_words(sentence.rstrip(".")))
    return _block(f'<div class="vl-verdict vl-failed" role="alert">{escape(words)}</div>')


def glimpse(result: Result) -> str:
    """Return what was found, and the one picture that matters most, above what is still to come."""
    picture = _figures([curve_picture(result, "delta_rms")], "vl-grid")
    return _block(_findings(result) + key() + picture) + waiting(say("drawing"))


def shown(result: Result, held: Result | None = None) -> str:
    """Return everything about one result; with `held`, both of them, picture beside picture."""
    if held is None:
        pictures = _figures(pictures_of(result), "vl-grid")
        return _block(_findings(result) + key() + pictures, result)
    labels = say("A, held"), say("B, now")
    points = {
        label: one.point
        for label, one in zip(labels, (held, result), strict=True)
        if one.point is not None and one.settings.activation == result.settings.activation
    }
    pictures = [
        {picture.name: picture for picture in pictures_of(one, points if one is result else None)}
        for one in (held, result)
    ]
    heads = "".join(
        f'<div><p class="vl-head">{escape(label)}: {escape(in_short(one))}</p>{_findings(one)}</div>'
        for label, one in zip(labels, (held, result), strict=True)
    )
    rows = [_figures([side[name] for side in pictures if name in side], "vl-pair") for name in pictures[1]]
    rows += [_figures([picture], "vl-pair") for name, picture in pictures[0].items() if name not in pictures[1]]
    between = '<div style="height: 12px"></div>'
    return _block(f'<div class="vl-pair">{heads}</div>{key()}{between.join(rows)}', result)


def lesson(verdict: str, right: bool, answer: str, evidence: str, afterwards: str) -> str:
    """Return a lesson's answer: whether the guess was right, what was measured, its table and picture (as HTML)."""
    return _block(
        f'<div class="vl-verdict vl-answer {"well" if right else ""}"><b>{escape(verdict)}</b>'
        f"<p>{escape(answer)}</p></div>{evidence}<p>{escape(afterwards)}</p>"
    )


def in_short(result: Result) -> str:
    """Return what was run in a few words."""
    s = result.settings
    words = [f"{s.depth} × {s.width} {s.activation}", s.initialization]
    if s.network().initialization in ("gaussian", "orthogonal"):
        words.append(f"σ_w = {s.sigma_w:g}, σ_b = {s.sigma_b:g}")
    words += [f"{s.normalization} norm"] if s.normalization != "none" else []
    words += [f"residual {s.residual}"] if s.residual != "none" else []
    return ", ".join([*words, f"η = {s.learning_rate:g}", s.data])


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of words."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def figure(picture: Picture) -> str:
    """Return a picture with its caption, the bytes inside."""
    data = base64.b64encode(picture.png).decode()
    return (
        f'<figure class="vl-{picture.name}"><img alt="{escape(picture.alternative)}" '
        f'src="data:image/png;base64,{data}"><figcaption>{escape(picture.caption)}</figcaption></figure>'
    )


def key() -> str:
    """Return what the colours of the curves mean."""
    entries = (
        ("band", THEORY, say("theory, ± 2 standard deviations")),
        ("dot", START, say("measured before training")),
        ("", END, say("after training")),
    )
    spans = "".join(
        f'<span><i class="{kind}" style="background: {color}"></i>{escape(words)}</span>'
        for kind, color, words in entries
    )
    return f'<div class="vl-key">{spans}</div>'


def power(value: float) -> str:
    """Return a number as people write it.

    >>> power(362.0), power(9130.0), power(4.04e-18), power(0.0)
    ('362', '9.1 × 10³', '4.0 × 10⁻¹⁸', '0')
    """
    if value == 0 or not math.isfinite(value) or 1e-3 <= abs(value) < 999.5:
        return f"{value:.3g}"
    digits, exponent = f"{value:.1e}".split("e")
    return f"{digits} × 10{str(int(exponent)).translate(_RAISED)}"


def _findings(result: Result) -> str:
    verdicts = result.diagnosis.verdicts
    names = listed(say(verdict.name) for verdict in verdicts)
    sentences = paragraph(verdict.sentence for verdict in verdicts)
    well = "well" if all(verdict.name in WELL for verdict in verdicts) else ""
    start, end = result.losses
    test = result.record.test_accuracy[0, -1]
    lines = [
        say(
            "On its way back delta is multiplied by {factor} per layer. Layer 1 over readout: {ratio}.",
            factor=power(result.diagnosis.decay.factor),
            ratio=_arrives(result),
        ),
        say(
            "Loss {start} → {end}; training accuracy {accuracy:.2f} (guessing: {guessing:.2f}), "
            "test accuracy {test:.2f}.",
            start=f"{start:.3g}",
            end=f"{end:.3g}",
            accuracy=result.accuracy,
            guessing=result.guessing,
            test=test,
        ),
    ]
    step = int(result.record.step[-1])
    if result.record.diverged[0]:
        diverged = int(result.record.diverged_step[0])
        lines.append(say("The run diverged at step {step}; shown is what came before.", step=diverged))
    if result.stopped:
        lines.append(say("Stopped after {step} of {steps} steps.", step=step, steps=result.settings.steps))
    if result.unpredicted:
        lines.append(say("No prediction: {why}.", why=in_words(result.unpredicted)))
    if result.pointless:
        lines.append(say("No place in the phase diagram: {why}.", why=in_words(result.pointless)))
    told = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return f'<div class="vl-verdict {well}"><b>{escape(names)}</b><p>{escape(sentences)}</p></div>{told}'


def _arrives(result: Result) -> str:
    return power(result.first_last) if result.first_last != 0 else say("nothing that float32 can hold")


def _figures(pictures: Iterable[Picture], kind: str) -> str:
    return f'<div class="{kind}">{"".join(map(figure, pictures))}</div>'


def _block(content: str, result: Result | None = None) -> str:
    # What is on screen is also said in full, for whoever saves the page.
    of = "" if result is None else f' data-settings="{escape(repr(result.settings))}"'
    return f'<div class="vl"{of}>{content}</div>'
