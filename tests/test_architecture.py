"""Imports go one way, heavy ones happen late, and the package's face shows what it says."""

import ast
import graphlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import vanishlab as vl

PACKAGE = Path(vl.__file__).parent
# Each module may import only from those before it. A folder is one entry; its own files must not go in a circle.
ORDER = (
    "errors",
    "chinese",
    "language",
    "files",
    "norms",
    "activations",
    "config",
    "data",
    "descent",
    "initialization",
    "elementwise",
    "network",
    "losses",
    "propagation",
    "deltas",
    "jacobian",
    "curvature",
    "seeds",
    "reasons",
    "blocks",
    "record",
    "calls",
    "twins",
    "measurement",
    "recording",
    "rows",
    "recorder",
    "update",
    "training",
    "theory",
    "analysis",
    "plots",
    "sweeping",
    "integrations",
    "user_code",
    "console",
    "prediction_text",
    "sweep_report",
    "report",
    "playground",
    "cli",
    "__main__",
)
MODULES = sorted(path.relative_to(PACKAGE).with_suffix("").as_posix() for path in PACKAGE.rglob("*.py"))


def imported(tree: ast.AST, module: str) -> list[str]:
    """The modules of the package that are imported anywhere in `tree`, as paths such as "plots/axes"."""
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import; this package writes them out"
            name = node.module or ""
            # "from vanishlab import plots" imports a module, "from vanishlab import __version__" a name.
            inner = [f"{name}.{alias.name}" for alias in node.names]
            found += [path if exists(path) or name == "vanishlab" else name for path in inner]
    ours = [name.split(".")[1:] for name in found if name.split(".")[0] == "vanishlab"]
    return ["/".join(parts) for parts in ours]


def exists(dotted: str) -> bool:
    path = PACKAGE.parent / dotted.replace(".", "/")
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def upward(source: str, module: str) -> list[str]:
    """What is wrong with the imports of `module`, a path such as "plots/axes", as sentences."""
    wrong = []
    folder, _, inner = module.partition("/")
    for target in imported(ast.parse(source), module):
        other, _, part = target.partition("/")
        if target == "__version__":
            continue
        if other not in ORDER:
            wrong.append(f"{module} imports {target or 'vanishlab'} by way of the package's face")
        elif other == folder and inner:
            if not part or part == inner:
                wrong.append(f"{module} imports {target}, which does not come before it")
        elif ORDER.index(other) >= ORDER.index(folder):
            wrong.append(f"{module} imports {target}, which does not come before it")
    return wrong


@pytest.mark.parametrize("module", [module for module in MODULES if module != "__init__"])
def test_imports_go_one_way(module: str) -> None:
    assert module.split("/")[0] in ORDER, f"{module} needs its place in ORDER"
    assert upward((PACKAGE / f"{module}.py").read_text(encoding="utf-8"), module) == []


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("norms", "from vanishlab.config import NetworkConfig"),
        ("config", "import vanishlab.training"),
        ("config", "from vanishlab import plots"),
        ("recorder", "from vanishlab import train"),
        ("recorder", "import vanishlab"),
        ("recorder", "def later():\n    from vanishlab.training import train"),
        ("plots/axes", "from vanishlab.plots import axes"),
        ("plots/axes", "from vanishlab import plots"),
        ("training", "from vanishlab.training import train"),
    ],
)
def test_an_upward_import_is_noticed(module: str, line: str) -> None:
    assert len(upward(line, module)) == 1


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("config", "from vanishlab.errors import InputError"),
        ("rows", "from vanishlab import __version__"),
        ("cli", "from vanishlab import plots"),
        ("plots/figures", "from vanishlab.plots.axes import x"),
        ("plots/axes", "from vanishlab.record import Record"),
        ("norms", "import torch\nfrom os import path"),
    ],
)
def test_a_downward_import_is_allowed(module: str, line: str) -> None:
    assert upward(line, module) == []


def circle(graph: dict[str, set[str]]) -> list[str]:
    """A circle in who imports whom, nothing where there is none."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def test_the_files_of_a_folder_do_not_import_in_a_circle() -> None:
    sources = {module: (PACKAGE / f"{module}.py").read_text(encoding="utf-8") for module in MODULES}
    assert circle({module: set(imported(ast.parse(source), module)) for module, source in sources.items()}) == []
    assert circle({"plots/axes": {"plots/rates"}, "plots/rates": {"plots/axes"}}) != []


def test_theory_imports_no_networks_and_measurement_no_theory() -> None:
    networks = {"network", "initialization", "training", "recorder", "recording", "measurement", "calls", "rows",
                "elementwise"}  # fmt: skip
    networks |= {"losses", "propagation", "deltas", "jacobian", "curvature"}
    for module in MODULES:
        targets = {
            target.split("/")[0] for target in imported(ast.parse((PACKAGE / f"{module}.py").read_text()), module)
        }
        if module.startswith("theory/"):
            assert not targets & networks, module
        if module in networks:
            assert "theory" not in targets, module


def python(code: str, **environment: str) -> list[str]:
    """Run `code` in a Python of its own and return the words it prints."""
    clean = {name: value for name, value in os.environ.items() if name != "MKL_CBWR"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=clean | {"PYTHONPATH": str(PACKAGE.parent)} | environment,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


LOADED = "print(*[name for name in {heavy} if name in sys.modules])"


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = ("torch", "sklearn", "matplotlib", "numpy", "pandas", "rich", "tyro")
    assert python(f"import sys, vanishlab; dir(vanishlab); {LOADED.format(heavy=heavy)}") == []


def test_modules_that_need_no_torch_do_not_import_it() -> None:
    light = ("errors", "language", "files", "activations", "config", "data", "descent", "reasons", "record")
    code = f"import sys, {', '.join(f'vanishlab.{name}' for name in light)}; "
    code += LOADED.format(heavy=("torch", "sklearn", "matplotlib", "pandas", "rich", "tyro"))
    assert python(code) == []
    assert python(f"import sys, vanishlab.plots, vanishlab.cli; {LOADED.format(heavy=('torch', 'sklearn'))}") == []


def test_modules_that_need_no_pictures_do_not_import_matplotlib() -> None:
    code = f"import sys, vanishlab.training; {LOADED.format(heavy=('matplotlib', 'sklearn', 'pandas', 'rich', 'tyro'))}"
    assert python(code) == []


def test_mkl_is_told_to_be_reproducible_unless_the_user_has_said_otherwise() -> None:
    code = "import vanishlab, os; print(os.environ['MKL_CBWR'])"
    assert python(code) == ["AUTO"]
    assert python(code, MKL_CBWR="COMPATIBLE") == ["COMPATIBLE"]


@pytest.mark.parametrize("name", vl.__all__)
def test_every_public_name_is_there(name: str) -> None:
    found = getattr(vl, name)
    assert found.__name__ == name and found.__doc__ and name in dir(vl)
    assert found.__module__.startswith("vanishlab.")


def test_the_face_lists_each_name_once_and_tells_type_checkers_the_same() -> None:
    assert sorted(vl.__all__) == sorted(set(vl.__all__)) == sorted(vl._HOME)
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    (guarded,) = [node for node in tree.body if isinstance(node, ast.If)]
    shown = {
        alias.name: (node.module or "").removeprefix("vanishlab.")
        for node in guarded.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert shown == vl._HOME


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'vanishlab' has no attribute 'colour'$"):
        _ = vl.colour  # pyright: ignore[reportAttributeAccessIssue]
    assert not hasattr(vl, "colour")
