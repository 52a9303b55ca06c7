"""What a window shows before the page runs: the lines of its head, and the answer to their question. Raw ASGI."""

import asyncio
import gc
import json
import re
import threading

import pytest

from vanishlab.language.sentences import say, speaking, spoken
from vanishlab.playground import frame, page, serve, stage
from vanishlab.playground.guard import Message, Receive, Send
from vanishlab.playground.measuring import Failed
from vanishlab.playground.opening import WithOpening, head


async def inner(scope: Message, receive: Receive, send: Send) -> None:
    await send({"type": f"{scope['type']}.inner"})


def asked(path: str = "/opening", query: str = "", language: str = "en", kind: str = "http") -> list[Message]:
    """Return what is sent to who asks for this path."""
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("the question has no body")

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": kind, "path": path, "query_string": query.encode()}
    asyncio.run(WithOpening(inner, language)(scope, receive, send))
    return sent


def test_the_first_picture_is_the_page_s_own() -> None:
    start, answer = asked()
    assert start["status"] == 200
    headers = dict(start["headers"])
    assert headers[b"content-type"] == b"text/html; charset=utf-8" and headers[b"cache-control"] == b"no-store"
    assert int(headers[b"content-length"]) == len(answer["body"])
    result = stage.first_result()
    assert answer["body"].decode() == frame.header() + stage.first_glimpse()
    assert stage.first_glimpse() == page.glimpse(result) == stage.Stage("en").html
    assert '<figure class="vl-delta_rms">' in stage.first_glimpse()


@pytest.mark.parametrize(
    ("query", "served", "spoken"),
    [("language=zh", "en", "zh"), ("language=en", "zh", "en"), ("", "zh", "zh"), ("language=de", "en", "en")],
)
def test_it_speaks_the_language_that_the_page_will(query: str, served: str, spoken: str) -> None:
    with speaking(spoken):
        title = say("vanishlab playground")
        verdict = say("vanishing")
    body = asked(query=query, language=served)[1]["body"].decode()
    assert f"<h1>{title}</h1>" in body and verdict in body


@pytest.mark.parametrize(
    ("path", "kind"), [("/", "http"), ("/opening/", "http"), ("/assets/a.js", "http"), ("/opening", "websocket")]
)
def test_all_else_is_marimo_s(path: str, kind: str) -> None:
    assert asked(path, kind=kind) == [{"type": f"{kind}.inner"}]


def test_a_session_begins_once_the_picture_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    spoken_then: list[str] = []
    monkeypatch.setattr(stage, "first_glimpse", lambda: spoken_then.append(spoken()) or "")
    assert asked("/ws", "language=zh&session_id=s_1", kind="websocket") == [{"type": "websocket.inner"}]
    assert spoken_then == ["zh"]
    assert asked("/health") == [{"type": "http.inner"}] and len(spoken_then) == 1


@pytest.mark.parametrize(
    ("error", "sentence"),
    [(Failed("data must be there"), "data must be there."), (OSError("no room"), "OSError: no room.")],
)
def test_what_cannot_be_had_is_a_sentence(error: Exception, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise error

    monkeypatch.setattr(stage, "first_result", fail)
    start, answer = asked()
    assert start["status"] == 200 and f"This cannot be done: {sentence}" in answer["body"].decode()
    assert sentence in stage.Stage("en").html


@pytest.mark.parametrize("served", ["en", "zh"])
def test_the_head_has_the_words_of_every_language(served: str) -> None:
    lines = head(served)
    found = re.search(r"const words = (\{.*\})\n", lines)
    assert found is not None and "<" not in found[1], "no tag of the words ends the script"
    words = json.loads(found[1])
    assert f'words["{served}"]' in lines and 'fetch("./opening"' in lines
    for language in ("en", "zh"):
        with speaking(language):
            assert words[language] == frame.header() + frame.waiting(say("the first network is being trained"))


def test_garbage_is_looked_for_again_once_all_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_for: list[bool] = []
    monkeypatch.setattr(stage, "first_glimpse", lambda: looked_for.append(gc.isenabled()))
    try:
        ready = threading.Thread(target=serve._prepare, args=("en",))
        ready.start()
        ready.join()
        assert looked_for == [False] and gc.isenabled() and gc.get_freeze_count() > 10_000
    finally:
        gc.unfreeze()
