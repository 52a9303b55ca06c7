"""`vega()`: the script that shows the charts that move, built once and kept."""

import contextlib
import functools
import hashlib
from importlib.metadata import version
from pathlib import Path

import matplotlib

from vanishlab.errors import InputError
from vanishlab.files import write_whole


@functools.cache
def vega() -> str:
    """Return Vega, Vega-Lite and vega-embed as one script that can stand in a page.

    Building it is a good part of a small report's time: it stays in matplotlib's cache folder, behind its own sum.
    """
    import vl_convert

    kept = Path(matplotlib.get_cachedir()) / f"vanishlab-vega-{version('vl-convert-python')}.js"
    with contextlib.suppress(OSError):
        digest, _, script = kept.read_bytes().partition(b"\n")
        if hashlib.sha256(script).hexdigest().encode() == digest:
            return script.decode()
    script = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    script = script.replace("</script", "<\\/script").replace("<!--", "<\\!--").encode()
    with contextlib.suppress(OSError, InputError):  # a folder that cannot be written costs the second each time
        write_whole(kept, lambda file: file.write(hashlib.sha256(script).hexdigest().encode() + b"\n" + script))
    return script.decode()
