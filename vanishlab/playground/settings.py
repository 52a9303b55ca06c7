"""`Settings`: what the page's controls say, as configs, and as the Python and shell lines that do the same."""

import dataclasses
import shlex
from dataclasses import dataclass
from typing import Any

from vanishlab.config import (
    SCALED_INITIALIZATIONS,
    ActivationName,
    InitializationName,
    NetworkConfig,
    NormalizationName,
    ResidualName,
    TrainingConfig,
)
from vanishlab.errors import check_integer
from vanishlab.report.commands import call_of

MAX_DEPTH, MAX_WIDTH, MAX_STEPS, MAX_EXAMPLES = 100, 512, 5000, 1000
_RECORDED = 200  # steps of a long run that are recorded, about: as many as a heatmap of this size can show
_SCALES = ("sigma_w", "sigma_b")


@dataclass(frozen=True)
class Settings:
    """One network, how it is trained and on what. Frozen, so that it is a key as well.

    Raises `InputError` for a value outside the playground's range; the configs check the rest when they are made.
    """

    depth: int = 10
    width: int = 64
    activation: ActivationName = "sigmoid"
    initialization: InitializationName = "torch_default"
    sigma_w: float = 1.0
    """Kept, but without effect, where the initialisation has no scales of its own; so is sigma_b."""
    sigma_b: float = 0.0
    normalization: NormalizationName = "none"
    residual: ResidualName | float = "none"
    learning_rate: float = 0.1
    steps: int = 30
    data: str = "digits"
    examples: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        """Check what the configs allow and a page cannot bear."""
        check_integer("depth", self.depth, 1, MAX_DEPTH)
        check_integer("width", self.width, 1, MAX_WIDTH)
        check_integer("steps", self.steps, 0, MAX_STEPS)
        check_integer("examples", self.examples, 1, MAX_EXAMPLES)

    def network(self) -> NetworkConfig:
        """Return the network's config. Raises `InputError` for a value outside its rule."""
        return NetworkConfig(**self._network_fields())

    def training(self) -> TrainingConfig:
        """Return the training's config. Raises `InputError` for a value outside its rule."""
        return TrainingConfig(**self._training_fields())

    def python_lines(self) -> str:
        """Return a script that trains the same network to the same bits and draws what the page shows."""
        return "\n".join(
            [
                "import vanishlab as vl",
                "from vanishlab import plots",
                "",
                f"network = {call_of(self.network())}",
                f"training = {call_of(self.training())}",
                f'data = vl.load_data("{self.data}", max_examples={self.examples})',
                "",
                "record = vl.train(network, training, data)",
                "print(vl.diagnose(record))",
                'plots.save_both(plots.three_curves(record), "three_curves")',
                'plots.save_both(plots.history_figure(record), "history")',
                "prediction = vl.predict(network, data)",
                'plots.save_both(plots.prediction_figure(prediction, record), "prediction")',
            ]
        )

    def shell_line(self) -> str:
        """Return the command that trains the same network to the same bits and draws it."""
        words = ["vanishlab", "train"]
        for config, fields in ((NetworkConfig, self._network_fields()), (TrainingConfig, self._training_fields())):
            for name, value in _changed(config, fields).items():
                values = value if isinstance(value, tuple) else (value,)
                words += [f"--{name.replace('_', '-')}", *map(str, values)]
        words += ["--data", self.data, "--max-examples", str(self.examples)]
        return shlex.join(words)

    def _network_fields(self) -> dict[str, Any]:
        names = [field.name for field in dataclasses.fields(NetworkConfig) if field.name != "dtype"]
        scaled = self.initialization in SCALED_INITIALIZATIONS
        return {name: getattr(self, name) for name in names if scaled or name not in _SCALES}

    def _training_fields(self) -> dict[str, Any]:
        return {
            "learning_rates": (self.learning_rate,),
            "seeds": (self.seed,),
            "steps": self.steps,
            "record_every": max(1, self.steps // _RECORDED),
            # On a graphics card each of these small steps would wait for the card; and the page's lines, run on
            # another machine, find the same device.
            "device": "cpu",
            "engine": "autograd",  # the page does not wait for the other to be compiled
        }


def _changed(config: type, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that differ from what `config` would take without them."""
    defaults = {field.name: field.default for field in dataclasses.fields(config)}
    return {name: value for name, value in fields.items() if value != defaults[name]}
