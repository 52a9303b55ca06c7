"""Another page of the same browser asks the playground: DNS rebinding, a foreign Origin, a frame. Raw ASGI scopes."""

import asyncio
import socket

import pytest

from vanishlab.playground.guard import Message, OwnPageOnly, Receive, Send

PORT = 2718


async def inner(scope: Message, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-inner", b"1")]})
        await send({"type": "http.response.body", "body": b"the page"})
    else:
        await send({"type": f"{scope['type']}.accept"})


def asked(*headers: tuple[str, str], kind: str = "http", host: str = "127.0.0.1", port: int = PORT) -> list[Message]:
    """Return what is sent to who asks with these headers."""
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("the guard reads nothing itself")

    async def send(message: Message) -> None:
        sent.append(message)

    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    scope = {"type": kind, "path": "/", "headers": raw}
    asyncio.run(OwnPageOnly(inner, host, port)(scope, receive, send))
    return sent


def passed(*headers: tuple[str, str], kind: str = "http", host: str = "127.0.0.1", port: int = PORT) -> bool:
    """Whether the page itself answers; an answer in between the two would fail here."""
    sent = asked(*headers, kind=kind, host=host, port=port)
    if sent[0].get("status") == 200 or sent[0]["type"] == "websocket.accept":
        return True
    if kind == "websocket":
        assert [message["type"] for message in sent] == ["websocket.close"]
    else:
        assert [message.get("status") for message in sent] == [403, None]
        assert b"the page" not in sent[1]["body"] and sent[1]["body"].count(b"\n") == 1
    return False


OWN = ["127.0.0.1:2718", "localhost:2718", "LocalHost:2718", "[::1]:2718"]
FOREIGN = [
    "evil.example:2718",  # a name that its owner has made to mean 127.0.0.1
    "evil.example",
    "localhost.evil.example:2718",
    "127.0.0.1.evil.example:2718",
    "evil.example#localhost:2718",
    "evil@localhost:2718",
    "localhost:2718@evil.example:2718",
    "localhost",  # port 80
    "localhost:2719",
    "localhost:02718",
    "localhost:",
    "localhost:2718:2718",
    "[::1]",
    "::1:2718",
    "[localhost]:2718x",
    "[::1]:2718]",
    "[::1%25evil]:2718",
    "192.168.1.7:2718",
    "0.0.0.0:2718",
    "",
    ":2718",
    "localhost:2718,evil.example:2718",
    "\xe9vil:2718",
]


@pytest.mark.parametrize("name", OWN)
def test_the_own_page_is_answered_by_each_of_its_names(name: str) -> None:
    assert passed(("host", name)) and passed(("Host", name), ("Origin", f"http://{name}"))
    assert passed(("host", name), ("origin", f"http://{name.lower()}"), kind="websocket")


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_host_is_refused(name: str) -> None:
    for origin in (f"http://{name}", f"http://localhost:{PORT}"):
        assert not passed(("host", name), ("origin", origin))
        assert not passed(("host", name), ("origin", origin), kind="websocket")
    assert not passed(("host", name))


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_one_host_is_needed_and_one_origin_at_most(kind: str) -> None:
    own = ("host", f"localhost:{PORT}"), ("origin", f"http://localhost:{PORT}")
    assert passed(*own, kind=kind)
    assert not passed(own[1], kind=kind)
    assert not passed(*own, ("host", "evil.example:2718"), kind=kind)
    assert not passed(*own, ("host", f"localhost:{PORT}"), kind=kind)
    assert not passed(*own, ("origin", "http://evil.example"), kind=kind)


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "https://evil.example",
        "http://evil.example:2718",
        "null",  # a file, or a frame in a sandbox
        "",
        "https://localhost:2718",
        "http://localhost:8888",  # a notebook server, say
        "http://localhost",
        "http://localhost:2718.evil.example",
        "http://localhost:2718/",
        "file://",
        "localhost:2718",
        "http://127.0.0.1:2718",  # our own, but never with this Host
    ],
)
def test_a_foreign_origin_is_refused(origin: str) -> None:
    for kind in ("http", "websocket"):
        assert not passed(("host", "localhost:2718"), ("origin", origin), kind=kind)


def test_a_websocket_has_an_origin() -> None:
    assert not passed(("host", "localhost:2718"), kind="websocket")


def test_the_host_that_is_served_at_is_an_own_name() -> None:
    assert passed(("host", "lab.example:2718"), host="Lab.example")
    assert passed(("host", "[fe80::7]:2718"), host="fe80::7")
    assert not passed(("host", "other.example:2718"), host="lab.example")
    assert not passed(("host", "192.168.1.7:2718"), host="lab.example")


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_every_address_in_digits_is_own_where_every_address_is_served(host: str) -> None:
    for name in ("192.168.1.7", "[2001:db8::7]", "localhost", socket.gethostname()):
        assert passed(("host", f"{name}:2718"), ("origin", f"http://{name}:2718"), host=host)
    assert not passed(("host", "evil.example:2718"), host=host)
    assert not passed(("host", "192.168.1.7:2718"), ("origin", "http://evil.example:2718"), host=host)


def test_port_80_is_not_written() -> None:
    assert passed(("host", "localhost"), ("origin", "http://localhost"), port=80)
    assert passed(("host", "[::1]"), ("origin", "http://[::1]"), port=80, kind="websocket")
    assert not passed(("host", "localhost:2718"), port=80)


def test_a_refusal_is_one_short_sentence_with_the_rule_and_the_value() -> None:
    long = "x" * 100_000
    start, body = asked(("host", long))
    assert (b"content-type", b"text/plain; charset=utf-8") in start["headers"] and len(body["body"]) < 200
    assert body["body"].startswith(b"Host must be the playground's own name with port 2718, got 'xxx")
    assert asked()[1]["body"] == b"Host must be the playground's own name with port 2718, got none\n"
    _, body = asked(("host", "localhost:2718"), ("origin", "null"))
    assert body["body"] == b"Origin must be the playground's own page, got 'null'\n"
    (closed,) = asked(("host", long), kind="websocket")
    assert len(closed["reason"].encode()) <= 123  # what a WebSocket's close can carry


def test_an_answer_forbids_being_framed_and_keeps_its_headers() -> None:
    start, body = asked(("host", "localhost:2718"))
    assert start["headers"] == [(b"x-inner", b"1"), (b"content-security-policy", b"frame-ancestors 'none'")]
    assert body["body"] == b"the page"


def test_the_start_and_end_of_the_server_pass() -> None:
    assert asked(kind="lifespan") == [{"type": "lifespan.accept"}]
