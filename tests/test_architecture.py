"""Imports go one way, heavy ones happen late, and the package's face shows what it says."""

import ast
import graphlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import vanishlab as vl
import vanishlab.training

PACKAGE = Path(vl.__file__).parent
# The wings, lowest first, a row for each level: a wing may import only from the rows before its own. Files
# must not import in a circle. The ground's files know each other.
LEVELS = (
    (
        "version",
        "errors",
        "activations",
        "config",
        "files",
        "data",
        "drawn_data",
        "splitting",
        "compiling",
        "faces",
        "progress",
        "terminal",
    ),
    ("language", "network"),
    ("theory", "recording"),
    ("training", "plots"),
    ("analysis",),
    ("integrations", "report"),
    ("playground", "notebook"),
    ("cli",),
    ("__main__",),
)
GROUND = LEVELS[0]
LEVEL = {wing: level for level, wings in enumerate(LEVELS) for wing in wings}
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
            # "from vanishlab import plots" imports a module.
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
    wing = module.split("/")[0]
    for target in imported(ast.parse(source), module):
        other, _, part = target.partition("/")
        if other not in LEVEL:
            wrong.append(f"{module} imports {target or 'vanishlab'} by way of the package's face")
        elif other == wing:
            if (not part and wing not in GROUND and module != "__main__") or target == module:
                wrong.append(f"{module} imports {target}, which is itself or the face of its own wing")
        elif LEVEL[other] >= LEVEL[wing] and not (other in GROUND and wing in GROUND):
            wrong.append(f"{module} imports {target}, which does not come before it")
    return wrong


@pytest.mark.parametrize("module", [module for module in MODULES if module != "__init__"])
def test_imports_go_one_way(module: str) -> None:
    assert module.split("/")[0] in LEVEL, f"{module} needs its place in LEVELS"
    assert upward((PACKAGE / f"{module}.py").read_text(encoding="utf-8"), module) == []


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("recording/norms", "from vanishlab.analysis.examine import examine"),
        ("config", "import vanishlab.training"),
        ("config", "from vanishlab import plots"),
        ("recording/recorder", "from vanishlab import train"),
        ("recording/recorder", "import vanishlab"),
        ("recording/recorder", "def later():\n    from vanishlab.training.loop import train"),
        ("theory/prediction", "from vanishlab.recording.record import Record"),  # a wing on its own level
        ("plots/axes", "from vanishlab.plots.axes import axes"),
        ("plots/axes", "from vanishlab import plots"),
        ("training/loop", "from vanishlab.training.loop import train"),
    ],
)
def test_an_upward_import_is_noticed(module: str, line: str) -> None:
    assert len(upward(line, module)) == 1


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("config", "from vanishlab.errors import InputError"),
        ("recording/recorded_steps", "from vanishlab.version import __version__"),
        ("cli/commands", "from vanishlab import plots"),
        ("plots/figures", "from vanishlab.plots.axes import x"),
        ("plots/axes", "from vanishlab.recording.record import Record"),
        ("recording/norms", "import torch\nfrom os import path"),
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


def test_the_files_do_not_import_in_a_circle() -> None:
    sources = {module: (PACKAGE / f"{module}.py").read_text(encoding="utf-8") for module in MODULES}
    assert circle({module: set(imported(ast.parse(source), module)) for module, source in sources.items()}) == []
    assert circle({"plots/axes": {"plots/rates"}, "plots/rates": {"plots/axes"}}) != []


def test_ls_is_the_table_of_wings() -> None:
    entries = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert entries == {*LEVEL, "__init__"}


def test_theory_imports_no_networks_and_measurement_no_theory() -> None:
    for module in MODULES:
        source = (PACKAGE / f"{module}.py").read_text(encoding="utf-8")
        wings = {target.split("/")[0] for target in imported(ast.parse(source), module)}
        if module.startswith("theory/"):
            assert not wings & {"network", "recording", "training"}, module
        if module.startswith(("network/", "recording/", "training/")):
            assert "theory" not in wings, module


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
    heavy = ("torch", "sklearn", "matplotlib", "numpy", "scipy", "pandas", "rich", "tyro")
    looked_at = "dir(vanishlab); dir(vanishlab.theory)"
    assert python(f"import sys, vanishlab; {looked_at}; {LOADED.format(heavy=heavy)}") == []


def test_modules_that_need_no_torch_do_not_import_it() -> None:
    light = ("errors", "language", "files", "activations", "config", "data", "training.descent")
    light += ("recording.quantities", "recording.reasons", "recording.record_files", "recording.record")
    code = f"import sys, {', '.join(f'vanishlab.{name}' for name in light)}; "
    code += LOADED.format(heavy=("torch", "sklearn", "matplotlib", "pandas", "rich", "tyro"))
    assert python(code) == []
    code = f"import sys, vanishlab.plots, vanishlab.cli.commands; {LOADED.format(heavy=('torch', 'sklearn'))}"
    assert python(code) == []


def test_modules_that_need_no_pictures_do_not_import_matplotlib() -> None:
    heavy = ("matplotlib", "sklearn", "pandas", "rich", "tyro")
    code = f"import sys, vanishlab.training.loop; {LOADED.format(heavy=heavy)}"
    assert python(code) == []


def test_the_playground_s_first_words_wait_for_no_torch() -> None:
    code = "import sys; from vanishlab.playground import serve, opening; opening.head('zh'); "
    assert python(code + LOADED.format(heavy=("torch", "matplotlib", "scipy", "marimo"))) == []


def test_the_playground_s_first_picture_waits_for_no_statistics_package() -> None:
    heavy = ("scipy.stats", "scipy.optimize", "sklearn", "pandas")  # seconds of imports between them
    code = "import sys; from vanishlab.playground import page, stage; page.glimpse(stage.first_result()); "
    assert python(code + LOADED.format(heavy=heavy)) == []


def test_mkl_is_told_to_be_reproducible_unless_the_user_has_said_otherwise() -> None:
    code = "import vanishlab, os; print(os.environ['MKL_CBWR'])"
    assert python(code) == ["AUTO"]
    assert python(code, MKL_CBWR="COMPATIBLE") == ["COMPATIBLE"]


FACES = (vl, vl.theory, vl.training)
WINGS = [name for name, home in vl._HOME.items() if name == home]  # with a face of their own


@pytest.mark.parametrize(
    ("face", "name"), [(face, name) for face in FACES for name, home in face._HOME.items() if name != home]
)
def test_every_public_name_is_there(face: ModuleType, name: str) -> None:
    found = getattr(face, name)
    assert found.__name__ == name and found.__doc__ and name in dir(face)
    assert found.__module__.startswith("vanishlab.")


@pytest.mark.parametrize("wing", WINGS)
def test_a_wing_with_a_face_is_there(wing: str) -> None:
    assert getattr(vl, wing).__name__ == f"vanishlab.{wing}" and wing in dir(vl)
    assert python(f"import vanishlab as vl; print(vl.{wing}.__name__)") == [f"vanishlab.{wing}"]


@pytest.mark.parametrize("face", FACES)
def test_a_face_lists_each_name_once_and_tells_type_checkers_the_same(face: ModuleType) -> None:
    assert sorted(face.__all__) == sorted(set(face.__all__)) == sorted(face._HOME)
    assert {*face.__all__, "__doc__"} <= set(dir(face))
    tree = ast.parse(Path(str(face.__file__)).read_text(encoding="utf-8"))
    (guarded,) = [node for node in tree.body if isinstance(node, ast.If)]
    shown = {
        alias.name: (node.module or "").removeprefix(f"{face.__name__}.")
        for node in guarded.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert shown == {name: "vanishlab" if name == home else home for name, home in face._HOME.items()}


@pytest.mark.parametrize("face", FACES)
def test_no_module_hides_a_name_of_the_face_it_stands_in(face: ModuleType) -> None:
    # Importing a module sets its name on its package: `theory.phase_diagram` would be the module of that name.
    modules = {module.name for module in pkgutil.iter_modules(face.__path__)}
    assert modules and not modules & {name for name, home in face._HOME.items() if name != home}


@pytest.mark.parametrize("face", FACES)
def test_an_unknown_name_is_an_attribute_error(face: ModuleType) -> None:
    with pytest.raises(AttributeError, match=rf"^module '{face.__name__}' has no attribute 'colour'$"):
        _ = face.colour
    assert not hasattr(face, "colour")
