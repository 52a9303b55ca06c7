"""What stands around the results: the style, the top of the page, and words in the place of a result.

Nothing heavy is imported, so that a browser has its first words before a network is trained.
"""

from html import escape

from vanishlab.language.refusals import in_words
from vanishlab.language.sentences import LANGUAGES, say, speaking, spoken

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
        f'<a href="?language={code}" target="_self">{own_name(code)}</a>' for code in LANGUAGES if code != spoken()
    )
    return STYLE + block(f"<h1>{title}</h1><p>{question} {others}</p>")


def own_name(language: str) -> str:
    """Return the name of a language in that language, as those who read it look for it."""
    with speaking(language):
        return say("English")


def progress(step: int, steps: int, seconds: float, before: str = "") -> str:
    """Return a bar at `step` of `steps`, reached after `seconds`, above what was shown before, paled."""
    words = say("step {step} of {steps}", step=step, steps=steps)
    if step and seconds > 1.0:
        words = say("{progress}, about {seconds:.0f} s left", progress=words, seconds=seconds / step * (steps - step))
    share = 100.0 * step / max(steps, 1)
    bar = f'<p class="vl-progress">{escape(words)}</p><div class="vl-bar"><div style="width: {share:.1f}%"></div></div>'
    return block(bar) + (f'<div class="vl-busy">{before}</div>' if before else "")


def waiting(words: str, before: str = "") -> str:
    """Return words above what was shown before, paled."""
    return block(f'<p class="vl-progress">{escape(words)}</p>') + (
        f'<div class="vl-busy">{before}</div>' if before else ""
    )


def failure(sentence: str) -> str:
    """Return the one sentence for what could not be done."""
    words = say("This cannot be done: {why}.", why=in_words(sentence.rstrip(".")))
    return block(f'<div class="vl-verdict vl-failed" role="alert">{escape(words)}</div>')


def block(content: str, of: str = "") -> str:
    """Return content as one of the page's blocks; `of` says in full what it shows, for whoever saves the page."""
    settings = f' data-settings="{escape(of)}"' if of else ""
    return f'<div class="vl"{settings}>{content}</div>'
