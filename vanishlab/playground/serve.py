"""Starts the page: marimo's own server on this machine, in this process, with the page's file and language."""

import importlib.util
import runpy
import socket
import sys
from pathlib import Path

from vanishlab.errors import InputError, check_choice, check_integer
from vanishlab.playground.words import LANGUAGES

PORT = 2718
_SESSION = 30  # seconds that a session is kept after its window has gone


def serve(host: str = "127.0.0.1", port: int = PORT, language: str = "en", *, browser: bool = True) -> None:
    """Serve the page until Ctrl-C; with `browser`, open it too.

    Raises `InputError` without marimo, for an unknown language, and for an address that is not free.
    """
    check_choice("language", language, LANGUAGES)
    check_integer("port", port, 1, 65535)
    if importlib.util.find_spec("marimo") is None:
        raise InputError("playground needs marimo: pip install 'vanishlab[playground]'")
    check_free(host, port)
    # `python -m marimo run`, in this process: nothing is left behind when it is stopped, whatever the system.
    sys.argv = ["marimo", *arguments(host, port, language, browser=browser)]
    runpy.run_module("marimo", run_name="__main__", alter_sys=True)


def arguments(host: str, port: int, language: str, *, browser: bool) -> list[str]:
    """Return marimo's arguments. No token: it is this machine's own page; no sandbox: it needs no other packages."""
    words = ["run", str(Path(__file__).with_name("app.py")), "--host", host, "--port", str(port)]
    words += ["--no-token", "--no-sandbox", "--no-check", "--session-ttl", str(_SESSION)]
    words += [] if browser else ["--headless"]
    return [*words, "--", "--language", language]


def check_free(host: str, port: int) -> None:
    """Raise `InputError` for an address at which nothing can be served."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        if sys.platform != "win32":  # there it would allow two servers on one port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = error.strerror or str(error)
            raise InputError(f"port must be free on {host}, got {port} ({reason}); name another with --port") from None
