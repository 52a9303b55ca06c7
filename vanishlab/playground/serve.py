"""The page's server: marimo's app behind the guard, on this machine, in this process."""

import contextlib
import gc
import importlib.util
import ipaddress
import os
import socket
import threading
import webbrowser
from pathlib import Path

from vanishlab.errors import InputError, check_choice, check_integer
from vanishlab.language.sentences import LANGUAGES, say, speaking
from vanishlab.playground.guard import ASGIApp, Message, OwnPageOnly, Receive, Send
from vanishlab.playground.opening import WithOpening, head

PORT = 2718
_SESSION = 30  # seconds that a session is kept after its window has gone


def serve(host: str = "127.0.0.1", port: int = PORT, language: str = "en", *, browser: bool = True) -> None:
    """Serve the page until Ctrl-C, which ends the process, to itself alone (see `guard`); with `browser`, open it too.

    Raises `InputError` without marimo, for an unknown language, and for an address that is not free.
    """
    check_choice("language", language, LANGUAGES)
    check_integer("port", port, 1, 65535)
    if importlib.util.find_spec("marimo") is None:
        raise InputError("playground needs marimo: pip install 'vanishlab[playground]'")
    host = host.strip("[]")
    with listening(host, port) as listener, contextlib.suppress(KeyboardInterrupt):
        # The socket listens already: a browser may start, and wait, while the rest is imported.
        print(say("the playground is at {address} until Ctrl-C", address=url(host, port)), flush=True)
        if browser:
            webbrowser.open(url(host, port))
        import uvicorn

        app = OwnPageOnly(WithOpening(page_app(language), language), host, port)
        # What every session begins with is got ready while the browser loads the page.
        threading.Thread(target=_prepare, args=(language,), daemon=True).start()
        # A second is what pages still open are given at the end.
        config = uvicorn.Config(app, lifespan="off", log_level="error", timeout_graceful_shutdown=1)
        uvicorn.Server(config).run(sockets=[listener])
    # Nothing is left to save. The pages' threads may be in torch: Python's own end would wait for them, or abort.
    os._exit(0)


def _prepare(language: str) -> None:
    """Measure and draw what every session begins with; the imports for it are most of the work."""
    # Python would look for garbage in all of torch again and again meanwhile, and find none: a sixth of the time.
    gc.disable()
    try:
        from vanishlab.playground.stage import first_glimpse

        with speaking(language):
            first_glimpse()
    finally:
        gc.freeze()  # what is imported by now stays
        gc.enable()


def page_app(language: str) -> ASGIApp:
    """Return the page as an ASGI app that speaks `language` where its address asks for no other."""
    from marimo import create_asgi_app

    builder = create_asgi_app(quiet=True, session_ttl=_SESSION, html_head=head(language))
    page = builder.with_app(path="", root=str(Path(__file__).with_name("app.py"))).build()

    async def told(scope: Message, receive: Receive, send: Send) -> None:
        await page({**scope, "meta": {"language": language}}, receive, send)

    return told


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens there; raise `InputError` for an address at which nothing can be served."""
    if not host:  # for `socket` that is every address of the machine
        raise InputError("host must be an address or a name of this machine, got ''")
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, UnicodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise InputError(f"port must be free on {host}, got {port} ({reason}); name another with --port") from None


def url(host: str, port: int) -> str:
    """Return the page's address for this machine's browser.

    >>> url("127.0.0.1", 2718), url("::1", 80), url("0.0.0.0", 2718)
    ('http://127.0.0.1:2718/', 'http://[::1]/', 'http://127.0.0.1:2718/')
    """
    with contextlib.suppress(ValueError):  # a name is no address
        if (address := ipaddress.ip_address(host)).is_unspecified:
            host = "127.0.0.1" if address.version == 4 else "::1"
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}/" if port == 80 else f"http://{host}:{port}/"
