"""Every experiment, run small: it ends, prints its table, and leaves what its head says."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

import vanishlab as vl
from vanishlab import Record
from vanishlab.activations import ACTIVATIONS
from vanishlab.network.recurrent import Recurrent, delta_by_time
from vanishlab.training.loop import TrainingInterrupted
from vanishlab.training.recall import sequences

pytestmark = pytest.mark.usefixtures("coarse_pictures")
FOLDER = Path(__file__).parents[2] / "experiments"
SMALL: dict[str, dict[str, Any]] = {
    "trainability": {"depths": (1, 3), "width": 6, "sigma_w": (1.0, 2.0), "steps": 2, "max_examples": 16},
    "learning_rate_map": {"depths": (1, 3), "width": 6, "rates": 2, "steps": 2, "max_examples": 16},
    "learning_rates": {"depths": (1, 3), "width": 6, "learning_rates": (0.1, 1e4), "steps": 3, "max_examples": 32},
    "depth": {"depths": (1, 3), "width": 6, "steps": 2, "seeds": (0, 1), "max_examples": 32},
    "activations": {"activations": ("relu", "erf"), "depth": 3, "width": 6, "steps": 2, "max_examples": 32},
    "initializations": {"activations": ("tanh",), "depth": 3, "width": 6, "steps": 2, "max_examples": 32},
    "remedies": {"depth": 3, "width": 6, "learning_rates": (0.1,), "steps": 2, "max_examples": 32},
    "distributions": {"depth": 3, "width": 6, "steps": 2, "max_examples": 16},
    "size_and_meaning": {
        "networks": 4,
        "width": 6,
        "depths": (2, 4),
        "learning_rates": (0.1, 1e4),
        "steps": 2,
        "max_examples": 32,
    },
    "through_time": {
        "lengths": (2, 4),
        "forget_biases": (3.0,),
        "width": 4,
        "examples": 8,
        "steps": 2,
        "seeds": (0, 1),
    },
    "linear_regression": {"iterations": 5},
    "coordinate_check": {"widths": (4, 8, 16), "depths": (2, 3, 4), "steps": 1, "seeds": (0,), "examples": 16},
    "own_model": {"steps": 6},
    "theory": {"depth": 3, "width": 6, "seeds": 2, "max_examples": 16},
    "phase_diagram": {"depth": 4, "width": 6, "seeds": (0,), "max_examples": 16, "initializations": ("lecun_normal",)},
    "examine": {"blocks": 2, "width": 8, "examples": 16, "steps": 2, "seeds": (0,)},
    "readme_tables": {
        "tables": ("learning_rates", "remedies"),
        "remedies": ("momentum 0.9",),
        "depths": (1,),
        "seeds": (0, 1),
        "steps": 2,
        "max_examples": 32,
    },
}
PICTURES = {
    "trainability": ("trainability",),
    "learning_rate_map": ("sigmoid", "relu"),
    "learning_rates": ("story", "delta_rms_at_start", "gradient_norm", "sigmoid_3_history", "relu_3_learning_rate"),
    "depth": ("delta_rms", "gradient_norm"),
    "activations": ("delta_rms", "activation_rms", "shapes"),
    "initializations": ("delta_rms", "gradient_norm"),
    "remedies": ("league",),
    "distributions": ("sigmoid", "tanh", "relu"),
    "size_and_meaning": ("size_and_meaning",),
    "through_time": ("through_time",),
    "linear_regression": ("path",),
    "coordinate_check": ("standard", "maximal_update", "plain", "residual"),
    "own_model": ("three_curves", "update_ratio", "history"),
    "theory": ("sigmoid", "relu", "tanh"),
    "phase_diagram": ("phase_diagram",),
    "examine": ("three_curves",),
    "readme_tables": (),
}
REPORTLESS = ("linear_regression", "coordinate_check", "readme_tables")  # two leave no record, one is for README alone


def load(name: str) -> ModuleType:
    specification = importlib.util.spec_from_file_location(f"experiment_{name}", FOLDER / f"{name}.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    if str(FOLDER) not in sys.path:  # where a script finds the others; last, for their names are short
        sys.path.append(str(FOLDER))
    sys.modules[specification.name] = module  # tyro and dataclasses look types up there
    specification.loader.exec_module(module)
    return module


def test_every_script_is_tried_and_indexed() -> None:
    scripts = {path.stem for path in FOLDER.glob("*.py")}
    assert scripts == set(SMALL) == set(PICTURES)
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert all(f"[{name}.py]({name}.py)" in index for name in scripts)


@pytest.mark.parametrize("name", SMALL)
def test_an_experiment_leaves_its_records_and_pictures(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = load(name)
    experiment.main(experiment.Options(out=tmp_path, **SMALL[name]))
    printed = capsys.readouterr().out
    for picture in PICTURES[name]:
        assert (tmp_path / f"{picture}.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (tmp_path / f"{picture}.svg").read_text(encoding="utf-8")
        assert f"{picture}.png" in printed.replace("\n", "")
    assert list(tmp_path.rglob("*.npz"))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SMALL if name not in REPORTLESS])
def test_an_experiment_writes_its_report_on_request(name: str, tmp_path: Path) -> None:
    experiment = load(name)
    experiment.main(experiment.Options(out=tmp_path, report=True, **SMALL[name]))
    assert "<h2>Verdict</h2>" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_record_through_time_is_of_the_model_as_it_is() -> None:
    experiment = load("through_time")
    generator = torch.Generator().manual_seed(0)
    model = Recurrent("LSTM", 8, 3.0, generator=generator)
    x, y = sequences(12, 16, generator)
    record, delta = experiment.record(model, x, y), delta_by_time(model, x, y)
    assert record.time_ratio[0, 0, 0] == pytest.approx(delta[0] / delta[-1], rel=1e-4)  # float32, in another order
    assert not any(p.grad.any() for p in model.parameters() if p.grad is not None)


def test_an_interrupted_experiment_keeps_the_steps_that_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import vanishlab.training.loop

    train = vanishlab.training.loop.train

    def interrupted(*arguments: Any, progress: Any) -> Record:
        def stop(step: int) -> None:
            if step == 1:
                raise KeyboardInterrupt
            progress(step)

        return train(*arguments, progress=stop)

    monkeypatch.setattr(vanishlab.training.loop, "train", interrupted)
    experiment = load("depth")
    with pytest.raises(TrainingInterrupted):
        experiment.main(experiment.Options(out=tmp_path, **SMALL["depth"]))
    assert Record.load(tmp_path / "sigmoid_1.npz").step.tolist() == [0, 1]


def test_a_remedy_without_a_dot_says_why() -> None:
    remedies = load("remedies")
    whole = ["none (the patient)", 0.1, 0.2, 2.3]
    figure = remedies.draw([[*whole, 0.5, 0.7], [*whole, 0.0, 0.0], [*whole, 0.5, float("nan")]], chance=0.1)
    words = [text.get_text() for text in figure.axes[1].texts]
    assert words == ["", "0 in float32 (below 1e-45)", "diverged"]


def test_every_column_of_shapes_tells_its_axis() -> None:
    activations = load("activations")
    record = vl.train(vl.NetworkConfig(1, 2), vl.TrainingConfig(steps=0), vl.load_data("moons", max_examples=8))
    figure = activations.draw_shapes(dict.fromkeys(list(ACTIVATIONS)[:7], record))  # five above, two below
    told = [place for place, ax in enumerate(figure.axes[:7]) if ax.xaxis.get_tick_params().get("labelbottom", True)]
    assert told == [2, 3, 4, 5, 6]
