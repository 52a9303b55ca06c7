"""The HTML of results: numbers, sentences and pictures put together, and what is not ours alone escaped."""

import base64
import math
from collections.abc import Iterable, Sequence
from html import escape

from vanishlab.analysis.verdict import WELL
from vanishlab.language.chinese import CHINESE
from vanishlab.language.chinese_refusals import REFUSALS
from vanishlab.language.refusals import in_words
from vanishlab.language.sentences import LANGUAGES, listed, paragraph, say, spoken
from vanishlab.playground.frame import block, own_name, waiting
from vanishlab.playground.measuring import Result
from vanishlab.playground.pictures import END, START, THEORY, Picture, curve_picture, pictures_of
from vanishlab.plots.web_font import WEB_FAMILY, font_face

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def glyphs() -> str:
    """Return the style with the Chinese characters that the page may show: in Chinese all, else those of the link."""
    if spoken() == "zh":
        rule = font_face("".join((*CHINESE.values(), *REFUSALS.values())))
    else:
        rule = font_face("".join(map(own_name, LANGUAGES)), alone=True)
    fonts = (("text", '"PT Sans", sans-serif'), ("heading", '"Lora", serif'))  # marimo's own
    names = "".join(f"--marimo-{kind}-font: {WEB_FAMILY}, {own};" for kind, own in fonts)
    return f"<style>{rule} :root {{{names}}}</style>" if rule else ""


def glimpse(result: Result) -> str:
    """Return what was found, and the one picture that matters most, above what is still to come."""
    picture = _figures([curve_picture(result, "delta_rms")], "vl-grid")
    return block(_findings(result) + key() + picture) + waiting(say("drawing"))


def shown(result: Result, held: Result | None = None) -> str:
    """Return everything about one result; with `held`, both of them, picture beside picture."""
    if held is None:
        pictures = _figures(pictures_of(result), "vl-grid")
        return block(_findings(result) + key() + pictures, repr(result.settings))
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
    return block(f'<div class="vl-pair">{heads}</div>{key()}{between.join(rows)}', repr(result.settings))


def lesson(verdict: str, right: bool, answer: str, evidence: str, afterwards: str) -> str:
    """Return a lesson's answer: whether the guess was right, what was measured, its table and picture (as HTML)."""
    return block(
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
