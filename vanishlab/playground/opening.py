"""What a new window shows while it loads marimo's scripts, a matter of seconds: words, then the first picture.

A few lines in the page's head lay the words over the empty page, ask for the picture, and take both away once the page
itself shows one. It is the HTML that the page will show: measured and drawn, once, for both.
"""

import asyncio
import json
from urllib.parse import parse_qs

from vanishlab.language.sentences import LANGUAGES, say, speaking
from vanishlab.playground import frame
from vanishlab.playground.guard import ASGIApp, Message, Receive, Send

_PATH = "/opening"
# The words lie where marimo will put them, in windows of every width.
_SCRIPT = """<style>
#vl-opening {position: fixed; inset: 0; z-index: 1; overflow: auto; background: #fff; color: #11181c;
  padding: 1rem 1.25rem; font-family: var(--marimo-text-font, "PT Sans", sans-serif)}
#vl-opening.dark {background: #181c1a; color: #ecedee}
@media (min-width: 640px) {#vl-opening {padding: 3rem 5rem}}
@media (min-width: 768px) {#vl-opening {padding: 3rem 6rem}}
@media (min-width: 1280px) {#vl-opening {padding: 3rem 7rem}}
</style>
<script>
(async () => {
  const words = WORDS
  const opening = document.createElement("div")
  opening.id = "vl-opening"
  opening.className = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"
  opening.innerHTML = words[new URLSearchParams(location.search).get("language")] ?? words["SERVED"]
  document.documentElement.append(opening)
  const close = () => { opening.remove(); taken.disconnect() }
  const taken = new MutationObserver(() => {
    if (document.querySelector("#root figure, #root .vl-failed")) close()
  })
  taken.observe(document.documentElement, {childList: true, subtree: true})
  // Marimo's own words for a page that does not come to life must not stay covered.
  addEventListener("load", () => setTimeout(close, 10000))
  const answer = await fetch(".PATH" + location.search)
  if (answer.ok) opening.innerHTML = await answer.text()
})()
</script>"""


def head(language: str) -> str:
    """Return the lines for the page's head; `language` is spoken where the page's address asks for no other."""
    words = {}
    for each in LANGUAGES:
        with speaking(each):
            words[each] = frame.header() + frame.waiting(say("the first network is being trained"))
    spelled = json.dumps(words).replace("<", "\\u003c")  # no tag ends the script
    return _SCRIPT.replace("SERVED", language).replace("PATH", _PATH).replace("WORDS", spelled)


class WithOpening:
    """An ASGI app in front of another: it answers the opening's question for a picture, and passes on the rest."""

    def __init__(self, app: ASGIApp, language: str) -> None:
        """Stand in front of `app`; `language` is spoken where the question asks for no other."""
        self._app, self._language = app, language

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request; a session, which is a WebSocket, begins once the picture is there.

        Its threads would take turns with the one that draws, and nothing that they have to show is as quick.
        """
        question = scope["type"] == "http" and scope["path"] == _PATH
        if question or scope["type"] == "websocket":
            asked = parse_qs(scope["query_string"].decode("latin-1")).get("language", [""])[0]
            with speaking(asked if asked in LANGUAGES else self._language):
                glimpse = await asyncio.to_thread(_glimpse)
                if question:
                    await _answer(frame.header() + glimpse, send)
                    return
        await self._app(scope, receive, send)


async def _answer(html: str, send: Send) -> None:
    body = html.encode()
    headers = [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", str(len(body)).encode()),
               (b"cache-control", b"no-store")]  # fmt: skip
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _glimpse() -> str:
    from vanishlab.playground.stage import first_glimpse

    return first_glimpse()
