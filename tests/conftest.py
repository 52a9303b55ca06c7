"""What all tests share. vanishlab comes first: it sets MKL_CBWR, which MKL reads at the process's first product."""

import os

# On a busy machine, threads that share the tests' tiny arrays spend most of their time waiting for each other. The
# libraries of NumPy and SciPy read this once, when they are loaded, and so do those of processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # where a test asks for threads, they sleep until there is work

import vanishlab as vl  # isort: skip

from collections.abc import Callable, Iterator

import hypothesis
import numpy as np
import pytest

from vanishlab.training.processes import cpu_cores

# Tables are as wide as without a terminal, whatever the shell or pytest-xdist says.
os.environ.pop("COLUMNS", None)

# The same examples on every machine, and no time limit on any of them.
hypothesis.settings.register_profile("vanishlab", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("vanishlab")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """``-n auto``: every core that this process may use, hyper-threads too, but 8 at most: each holds torch."""
    return min(cpu_cores(), 8)


def pytest_configure(config: pytest.Config) -> None:
    """One thread for torch, where tests run; the process that only shares them out need not wait for torch."""
    if hasattr(config, "workerinput") or not getattr(config.option, "numprocesses", None):
        import torch

        torch.set_num_threads(1)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """``-n``: neighbours stay in one process, which then imports, compiles and draws once what a file's tests share."""
    if getattr(config.option, "numprocesses", None) and config.option.dist == "no":
        config.option.dist = "worksteal"


@pytest.fixture
def set_threads() -> Iterator[Callable[[int], None]]:
    """torch.set_num_threads, undone after the test."""
    import torch

    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture
def coarse_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """PNGs with a sixteenth of the pixels, for tests that look at none: they take some half of the time."""
    monkeypatch.setattr("vanishlab.plots.saving._DPI", 40)


@pytest.fixture(scope="session")
def data() -> vl.Dataset:
    """37 examples of 5 features in 3 classes, and 11 to test on: odd numbers, so that nothing fits a register."""
    generator = np.random.default_rng(0)
    return vl.Dataset(
        x=generator.normal(size=(37, 5)),
        y=np.arange(37) % 3,
        x_test=generator.normal(size=(11, 5)),
        y_test=np.arange(11) % 3,
        name="drawn",
    )
