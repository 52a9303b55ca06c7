"""`Stage`: one browser session's newest result, measured in the calling thread, with the progress shown."""

import functools
import threading
import time
from collections.abc import Callable

from vanishlab.language.sentences import say, speaking, spoken
from vanishlab.playground import frame, page
from vanishlab.playground.measuring import Failed, Outdated, Result, measure
from vanishlab.playground.settings import Settings

_EVERY = 0.2  # seconds between two looks at the progress
_QUIET = 0.4  # seconds in which a run may end before its progress is shown: a page that flickers is hard to look at

_ONCE = threading.Lock()


def first_result() -> Result:
    """Return what every session begins with, measured once for each language and by whoever asks first."""
    with _ONCE:
        return _first_result(spoken())


def first_glimpse() -> str:
    """Return the first result's HTML with its one picture, likewise drawn once; a sentence where it cannot be had."""
    try:
        result = first_result()
        with _ONCE:
            return _first_glimpse(result, spoken())
    except Exception as error:
        return _failure(error)


@functools.cache
def _first_result(language: str) -> Result:
    with speaking(language):
        return measure(Settings())


@functools.cache
def _first_glimpse(result: Result, language: str) -> str:
    with speaking(language):
        return page.glimpse(result)


def _failure(error: Exception) -> str:
    return frame.failure(str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}")


class Stage:
    """The newest result of one session, and its wish to stop."""

    def __init__(self, language: str) -> None:
        """Begin with the first picture; `serve` lets no session begin before it is drawn."""
        self.language = language
        self.result: Result | None = None
        with speaking(language):
            self.html = first_glimpse()
        self._stop = threading.Event()

    def stop(self) -> None:
        """End the training that is going on; what it has recorded until then is shown."""
        self._stop.set()

    def play(
        self,
        settings: Callable[[], Settings],
        held: Result | None,
        show: Callable[[str], object],
        outdated: Callable[[], bool],
    ) -> None:
        """Measure and draw what `settings` returns (beside `held`), and show it; leave when that is outdated.

        A setting that cannot be done is shown as a sentence. All of it is said in the session's language.
        """
        self._stop.clear()
        before = self.html
        with speaking(self.language):
            try:
                html = self._html(settings(), held, show, outdated, before)
            except Outdated:
                return
            except Failed as failed:
                self.result, html = None, _failure(failed)
            except Exception as error:  # in a picture, say: a sentence here too, and the page goes on
                html = _failure(error)
        if not outdated():
            self.html = html
            show(html)

    def _html(
        self,
        wanted: Settings,
        held: Result | None,
        show: Callable[[str], object],
        outdated: Callable[[], bool],
        before: str,
    ) -> str:
        """Return what is to be shown of the wanted settings, measured anew where the last result is of others."""
        if self.result is None and wanted == Settings():
            self.result = first_result()
        elif self.result is None or self.result.settings != wanted:
            ticker = Ticker(wanted.steps, show, before)
            result = measure(wanted, progress=ticker, stop=self._stop.is_set, outdated=outdated)
            if ticker.shown:
                ticker.say(say("drawing"))
            self.result = result
        return page.shown(self.result, held)


class Ticker:
    """Called with each step: shows the progress now and then, once a run has turned out to be a long one."""

    def __init__(self, steps: int, show: Callable[[str], object], before: str = "") -> None:
        """Start the clock."""
        self._steps, self._show, self._before = steps, show, before
        self._started = time.monotonic()
        self._last = self._started + _QUIET - _EVERY
        self.shown = False

    def __call__(self, step: int) -> None:
        """Show the progress if it is time."""
        now = time.monotonic()
        if now - self._last >= _EVERY:
            self._last, self.shown = now, True
            self._show(frame.progress(step, self._steps, now - self._started, self._before))

    def say(self, words: str) -> None:
        """Show words in the place of the progress."""
        self._show(frame.waiting(words, self._before))
