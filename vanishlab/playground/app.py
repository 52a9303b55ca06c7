# The page itself, as marimo runs it: `vanishlab playground`, or `marimo run` with this file's name. Thin on purpose:
# each cell calls what the files beside it do. The block below is marimo's way of setting something for one page alone.
#
# /// script
# [tool.marimo.display]
# theme = "system"
# ///
"""The playground's page, a marimo app."""

import marimo

app = marimo.App(width="full", app_title="vanishlab playground")


@app.cell
def _():
    import marimo as mo

    from vanishlab.language.sentences import LANGUAGES, say, speaking
    from vanishlab.playground import answers, controls, frame, lessons, page
    from vanishlab.playground.stage import Stage

    _asked = mo.query_params().get("language")
    _request = mo.app_meta().request
    _served = _request.meta.get("language") if _request else None  # `serve` says it; `marimo run` does not
    language = next((each for each in LANGUAGES if each == _asked), None) or str(_served or "en")
    stage = Stage(language)  # this browser session's own
    # The buttons that set these look different afterwards, so their cell runs again too.
    held, set_held = mo.state(None, allow_self_loops=True)
    lesson_now, set_lesson = mo.state(None, allow_self_loops=True)
    with speaking(language):
        _header = frame.header()
    mo.Html(_header)
    return answers, controls, held, language, lesson_now, lessons, mo, page, say, set_held, set_lesson, speaking, stage


@app.cell
def _(language, lesson_now, lessons, mo, say, set_lesson, speaking):
    with speaking(language):
        _names = {None: say("Free play")}
        _names |= {each: f"{number} · {say(each.title)}" for number, each in enumerate(lessons.LESSONS, 1)}
    lesson_buttons = mo.ui.array(
        [
            mo.ui.button(
                label=name,
                kind="success" if each is lesson_now() else "neutral",
                on_click=lambda _, each=each: set_lesson(each),
            )
            for each, name in _names.items()
        ]
    )
    mo.hstack(lesson_buttons, justify="start", wrap=True)
    return


@app.cell
def _(language, lesson_now, mo, say, speaking):
    lesson = lesson_now()
    guess = None
    _shown = None
    if lesson is not None:
        with speaking(language):
            guess = mo.ui.radio({say(choice): place for place, choice in enumerate(lesson.choices)})
            _shown = mo.vstack([mo.md(say(lesson.question)), guess])
    mo.output.replace(_shown)
    return guess, lesson


@app.cell
def _(answers, guess, language, lesson, mo):
    mo.stop(guess is None or guess.value is None)
    _place = guess.value if guess is not None else 0

    def _answer():
        thread = mo.current_thread()
        answers.answer(
            lesson, _place, language, lambda html: mo.output.replace(mo.Html(html)), lambda: thread.should_exit
        )

    mo.Thread(target=_answer).start()
    return


@app.cell
def _(controls, language, lesson, lessons, mo, speaking):
    with speaking(language):
        _panel = controls.panel(lessons.preset(lesson))
    # A name for each: marimo runs a cell again when an element that the cell names has changed.
    activation, data, depth, examples = (_panel[name] for name in ("activation", "data", "depth", "examples"))
    initialization, learning_rate = _panel["initialization"], _panel["learning_rate"]
    normalization, residual, steps = _panel["normalization"], _panel["residual"], _panel["steps"]
    sigma_b, sigma_w, width = _panel["sigma_b"], _panel["sigma_w"], _panel["width"]
    controls.laid_out(_panel)
    return (
        activation,
        data,
        depth,
        examples,
        initialization,
        learning_rate,
        normalization,
        residual,
        sigma_b,
        sigma_w,
        steps,
        width,
    )


@app.cell
def _(
    activation,
    data,
    depth,
    examples,
    initialization,
    learning_rate,
    normalization,
    residual,
    sigma_b,
    sigma_w,
    steps,
    width,
):
    values = {
        "depth": depth.value,
        "width": width.value,
        "learning_rate": learning_rate.value,
        "steps": steps.value,
        "activation": activation.value,
        "initialization": initialization.value,
        "normalization": normalization.value,
        "residual": residual.value,
        "sigma_w": sigma_w.value,
        "sigma_b": sigma_b.value,
        "data": data.value,
        "examples": examples.value,
    }
    return (values,)


@app.cell
def _(guess, held, language, mo, say, set_held, speaking, stage):
    mo.stop(guess is not None and guess.value is None)  # of a lesson nothing shows before the guess
    with speaking(language):
        stop_button = mo.ui.button(label=say("Stop"), kind="danger", on_click=lambda _: stage.stop())
        hold_button = mo.ui.button(label=say("Hold this one as A"), on_click=lambda _: set_held(stage.result))
        release_button = mo.ui.button(label=say("Let A go"), on_click=lambda _: set_held(None), disabled=held() is None)
    mo.hstack([stop_button, hold_button, release_button], justify="start", wrap=True)
    return


@app.cell
def _(controls, guess, held, mo, stage, values):
    mo.stop(guess is not None and guess.value is None)
    _values, _held = values, held()

    def _play():
        thread = mo.current_thread()
        stage.play(
            lambda: controls.settings(_values),
            _held,
            lambda html: mo.output.replace(mo.Html(html)),
            lambda: thread.should_exit,
        )

    mo.Thread(target=_play).start()
    mo.Html(stage.html)
    return


@app.cell
def _(controls, guess, language, mo, speaking, values):
    mo.stop(guess is not None and guess.value is None)
    with speaking(language):
        _code = controls.code(values)
    mo.output.replace(_code)
    return


@app.cell
def _(language, mo, page, speaking):
    with speaking(language):
        _glyphs = page.glyphs()
    mo.Html(_glyphs)
    return


if __name__ == "__main__":
    app.run()
