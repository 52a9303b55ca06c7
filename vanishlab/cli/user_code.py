"""`UserCode`: the user's own function, named on the command line, that makes a model, its loss and a batch."""

import contextlib
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vanishlab.errors import InputError, first_line
from vanishlab.files import open_arrays

Made = tuple[nn.Module, Callable[..., Tensor], Any]


class UserCode:
    """PACKAGE.MODULE:FACTORY, imported at once; whatever the module does on import is done.

    Raises `InputError` for a name that leads nowhere, a factory that exits or returns something else, a file without x
    and y. What else the user's code raises, it raises here too.
    """

    def __init__(self, name: str, batch: Path | None = None, seed: int = 0) -> None:
        """Import the module and find the function; `batch` is an .npz file to use instead of the factory's batch."""
        module, _, function = name.partition(":")
        if not module or not function or not all(part.isidentifier() for part in module.split(".")):
            raise InputError(f"factory must be of the form PACKAGE.MODULE:FACTORY, got {name!r}")
        if "" not in sys.path:
            sys.path.insert(0, "")  # the current folder, as python -m has it
        try:
            with _at_home(f"{module} must be imported without an exit"):
                found = importlib.import_module(module)
        except ModuleNotFoundError as error:
            raise InputError(f"factory must name a module that can be imported, got {module!r} ({error})") from None
        self._factory = getattr(found, function, None)
        if not callable(self._factory):
            raise InputError(f"factory must be a function of {module}, got {function!r}")
        self._name = name
        self._seed = seed
        self._batch = None if batch is None else _load(batch)

    def call(self) -> Made:
        """Seed torch and return (model, loss_fn, batch)."""
        torch.manual_seed(self._seed)
        return self._made()

    def model(self) -> nn.Module:
        """Return another model, of torch's generator as it is."""
        return self._made()[0]

    @contextlib.contextmanager
    def at_work(self, loss_fn: object, batch: object) -> Iterator[None]:
        """Say in one line what torch refuses of the batch in this block, and where in the user's code that was."""
        torchs, labs = str(Path(torch.__file__).parent), str(Path(__file__).parents[1])
        try:
            yield
        except InputError:
            raise
        except Exception as error:
            frames = [each for each in traceback.extract_tb(error.__traceback__) if not each.filename.startswith(labs)]
            in_backward = any("autograd" in Path(frame.filename).parts for frame in frames)
            if in_backward or not frames or not frames[-1].filename.startswith(torchs):
                raise  # the user's own
            own = [each for each in frames if not each.filename.startswith((torchs, "<"))]
            place = f", at {Path(own[-1].filename).name}:{own[-1].lineno}" if own else ""
            loss = getattr(loss_fn, "__name__", type(loss_fn).__name__)
            source = self._name if self._batch is None else "--batch"
            raise InputError(
                f"{source} must give a batch that the model and {loss} take, got {described(batch)} "
                f"({type(error).__name__}: {first_line(error)}{place})"
            ) from error

    def _made(self) -> Any:
        assert callable(self._factory)
        what = "(model, loss_fn, batch)" if self._batch is None else "(model, loss_fn)"
        with _at_home(f"{self._name} must return {what}"):
            made = self._factory()
        wanted = 3 if self._batch is None else 2
        if not isinstance(made, tuple) or len(made) < wanted:
            raise InputError(f"{self._name} must return {what}, got {described(made)}")
        if not isinstance(made[0], nn.Module) or not callable(made[1]) or (wanted == 3 and made[2] is None):
            rule = "model an nn.Module, loss_fn a function" + (", batch tensors" if wanted == 3 else "")
            raise InputError(f"{self._name} must return {what}, {rule}, got {described(made)}")
        return made[0], made[1], made[2] if self._batch is None else self._batch


def described(value: object) -> str:
    """Return what a value is, in short: tensors by shape, what is in a tuple or a dict one by one.

    >>> described((nn.Identity(), None, {"x": torch.zeros(2, 3)}))
    "(Identity, None, {'x': Tensor (2, 3)})"
    """
    if isinstance(value, Tensor):
        return f"Tensor {tuple(value.shape)}"
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    if isinstance(value, (tuple, list)):
        shown = [described(each) for each in value[:4]] + ["…"] * (len(value) > 4)
        return f"({', '.join(shown)})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name!r}: {described(each)}" for name, each in list(value.items())[:4]) + "}"
    return type(value).__name__


@contextlib.contextmanager
def _at_home(rule: str) -> Iterator[None]:
    """Come back to the working folder after the user's code, and say `rule` where that wants to end the process."""
    before = Path.cwd()
    try:
        yield
    except SystemExit as stop:
        raise InputError(f"{rule}, got SystemExit({stop.code!r})") from stop
    finally:
        os.chdir(before)


def _load(path: Path) -> tuple[Tensor, Tensor]:
    if not path.is_file():
        raise InputError(f"batch must be an .npz file that exists, got {str(path)!r}")
    try:
        with open_arrays(path) as file:
            x, y = (torch.from_numpy(np.array(file[name])) for name in ("x", "y"))
    except Exception as error:  # a damaged zip shows as any of a handful of exception classes
        raise InputError(f"batch must hold arrays x and y, got {str(path)!r} ({first_line(error)})") from None
    return (x.float() if x.dtype == torch.float64 else x), (y.float() if y.dtype == torch.float64 else y)
