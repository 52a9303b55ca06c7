"""Who is answered: the playground's own page, and no other page that happens to be open in the same browser.

A server on this machine hears every page of the web that the browser shows. Three headers, which a page cannot choose
for itself, tell the own page from the rest: `Host` is the name in the address bar, which after DNS rebinding is still
the other page's; `Origin` is the page that asks; and `frame-ancestors`, in the answer, keeps the page out of the
frames of others, where it would start a session each.
"""

import ipaddress
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Message, Receive, Send], Awaitable[None]]

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_QUOTED = 80  # characters of a foreign header that an answer repeats at most


class OwnPageOnly:
    """An ASGI app in front of another: it passes on what the page at `host` and `port` asks, and answers 403 to others.

    Own names are those of this machine's loopback, `host` itself and, where `host` is every address of the machine
    (0.0.0.0 or ::), its name and any address written in digits, which nobody can point elsewhere. A request needs one
    `Host` with an own name and the port; its `Origin`, which a WebSocket must have, is then http:// and that `Host`.
    """

    def __init__(self, app: ASGIApp, host: str, port: int) -> None:
        """Stand in front of `app`, which is served at `host` and `port`."""
        self._app, self._port = app, port
        self._names = {*_LOOPBACK, host.lower()}
        self._any_address = host in ("0.0.0.0", "::")
        if self._any_address:
            self._names.add(socket.gethostname().lower())

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass one request or WebSocket on, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif complaint := self._complaint(scope):
            await _refuse(scope, complaint, send)
        else:

            async def unframed(message: Message) -> None:
                if message["type"] == "http.response.start":
                    header = (b"content-security-policy", b"frame-ancestors 'none'")
                    message["headers"] = [*message.get("headers", ()), header]
                await send(message)

            await self._app(scope, receive, unframed)

    def _complaint(self, scope: Message) -> str:
        """Return why this request is not the own page's, nothing where it is."""
        hosts, origins = (_header(scope, name) for name in (b"host", b"origin"))
        if len(hosts) != 1 or not self._is_own(hosts[0]):
            return _sentence("Host", f"the playground's own name with port {self._port}", hosts)
        if (origins or scope["type"] == "websocket") and [origin.lower() for origin in origins] != [
            f"http://{hosts[0].lower()}"
        ]:
            return _sentence("Origin", "the playground's own page", origins)
        return ""

    def _is_own(self, host: str) -> bool:
        name, _, port = host.rpartition(":") if not host.endswith("]") and ":" in host else (host, "", "80")
        if port != str(self._port):
            return False
        if name.startswith("[") and name.endswith("]"):
            name = name[1:-1]
        elif ":" in name:
            return False
        return name.lower() in self._names or (self._any_address and _is_address(name))


def _header(scope: Message, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _sentence(field: str, rule: str, values: list[str]) -> str:
    given = ", ".join(repr(value[:_QUOTED]) for value in values[:2]) or "none"
    return f"{field} must be {rule}, got {given}"


async def _refuse(scope: Message, complaint: str, send: Send) -> None:
    if scope["type"] == "websocket":  # closed before it is accepted: the server answers 403
        await send({"type": "websocket.close", "code": 1008, "reason": complaint[:120]})
        return
    body = f"{complaint}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
