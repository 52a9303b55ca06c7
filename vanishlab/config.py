"""`NetworkConfig` and `TrainingConfig`: what is run, validated once; their fields are the command line's flags."""

import dataclasses
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from vanishlab.activations import ACTIVATIONS, ActivationName
from vanishlab.errors import InputError, check_choice, check_integer, check_number, nearest

MAX_DEPTH = 10_000
NORMALIZATION_EPS = 1e-5  # added to the variance that a normalisation divides by, torch's default

InitializationName = Literal[
    "torch_default", "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal", "lecun_normal",
    "orthogonal", "gaussian",
]  # fmt: skip
NormalizationName = Literal["none", "batch", "layer", "rms"]
ResidualName = Literal["none", "plain", "learned"]
DtypeName = Literal["float32", "float64"]
LossName = Literal["cross_entropy", "mse"]
OptimizerName = Literal["descent", "adam"]
EngineName = Literal["auto", "autograd", "fused"]
ScheduleName = Literal["constant", "linear_warmup", "cosine"]

SCALED_INITIALIZATIONS = ("gaussian", "orthogonal")  # those that sigma_w and sigma_b apply to


@dataclass(frozen=True)
class NetworkConfig:
    """A multilayer perceptron: `depth` hidden layers z = W h + b, h = phi(normalize(z)), and a linear readout.

    Raises `InputError` for a value outside its rule.
    """

    depth: int = 20
    """Number of hidden layers, 1 to 10,000; the readout is one more."""
    width: int | tuple[int, ...] = 64
    """Units per hidden layer: one number, or one per hidden layer."""
    activation: ActivationName = "sigmoid"
    """The activation function phi."""
    initialization: InitializationName = "torch_default"
    """How weights are drawn. Kaiming uses the activation's gain, Xavier gain 1; biases start at 0, except for
    torch_default (uniform, as nn.Linear) and where sigma_b says otherwise."""
    sigma_w: float = 1.0
    """Weight scale of 'gaussian' (W ~ N(0, sigma_w^2 / fan_in)) and 'orthogonal' (W = sigma_w Q)."""
    sigma_b: float = 0.0
    """Bias scale of 'gaussian' and 'orthogonal': b ~ N(0, sigma_b^2)."""
    normalization: NormalizationName = "none"
    """Normalisation of the pre-activation, with a learned scale (and shift)."""
    residual: ResidualName | float = "none"
    """Skip connection h_l = h_(l-1) + s phi(z_l) around every hidden layer but the first: 'plain' (s = 1), a number
    (that branch scale), or 'learned' (one trained scalar per layer that starts at 0, as in ReZero)."""
    dtype: DtypeName = "float32"
    """Floating-point type of parameters, activations and gradients."""

    def __post_init__(self) -> None:
        """Check every field."""
        put = _setter(self)
        put("depth", check_integer("depth", self.depth, 1, MAX_DEPTH))
        put("width", self._checked_width())
        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("initialization", self.initialization, get_args(InitializationName))
        put("sigma_w", check_number("sigma_w", self.sigma_w, above=0.0))
        put("sigma_b", check_number("sigma_b", self.sigma_b, at_least=0.0))
        if self.initialization not in SCALED_INITIALIZATIONS and (self.sigma_w != 1.0 or self.sigma_b != 0.0):
            raise InputError(
                "sigma_w and sigma_b apply to initialization 'gaussian' or 'orthogonal' only, "
                f"got sigma_w={self.sigma_w:g}, sigma_b={self.sigma_b:g} with {self.initialization!r}"
            )
        check_choice("normalization", self.normalization, get_args(NormalizationName))
        if isinstance(self.residual, str):
            check_choice("residual (or a number, the branch scale)", self.residual, get_args(ResidualName))
        else:
            put("residual", check_number("residual", self.residual))
        if self.residual != "none" and len(set(self.widths)) > 1:
            raise InputError(f"residual needs hidden layers of one width, got width={self.widths}")
        check_choice("dtype", self.dtype, get_args(DtypeName))

    def _checked_width(self) -> int | tuple[int, ...]:
        if isinstance(self.width, Iterable) and not isinstance(self.width, str):
            widths = tuple(check_integer("width", width, 1) for width in self.width)
            if len(widths) != self.depth:
                raise InputError(
                    f"width must be one number or one per hidden layer (depth={self.depth}), got {len(widths)} numbers"
                )
            return widths[0] if len(set(widths)) == 1 else widths
        return check_integer("width", self.width, 1)

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of each hidden layer, `(depth,)`."""
        return self.width if isinstance(self.width, tuple) else (self.width,) * self.depth

    def layer_sizes(self, features: int, classes: int) -> tuple[tuple[int, int], ...]:
        """Return (fan_in, fan_out) of each of the depth + 1 layers, the readout last.

        >>> NetworkConfig(depth=2, width=(7, 8)).layer_sizes(features=5, classes=3)
        ((5, 7), (7, 8), (8, 3))
        """
        return tuple(itertools.pairwise((features, *self.widths, classes)))

    @property
    def gain(self) -> float:
        """What the initialisation multiplies its weights' rule by: Kaiming's is the activation's, else sigma_w.

        sigma_w is 1 but where the initialisation takes it, so LeCun's and Xavier's gain is 1.
        """
        if self.initialization in ("kaiming_uniform", "kaiming_normal"):
            return ACTIVATIONS[self.activation].gain
        return self.sigma_w

    @property
    def branch_scale(self) -> float | None:
        """The starting branch scale s of the residual connections, None without them."""
        named: dict[Any, float | None] = {"none": None, "plain": 1.0, "learned": 0.0}
        return named[self.residual] if isinstance(self.residual, str) else self.residual


@dataclass(frozen=True)
class TrainingConfig:
    """How networks are trained: one run per learning rate and seed, all side by side.

    Raises `InputError` for a value outside its rule.
    """

    learning_rates: tuple[float, ...] = (0.1,)
    """Learning rates to compare."""
    seeds: tuple[int, ...] = (0,)
    """Seeds to repeat with: each one draws its own initial weights and its own order of mini-batches."""
    steps: int = 200
    """Number of parameter updates; 0 measures the initial network only."""
    loss: LossName = "cross_entropy"
    """Loss: cross_entropy (batch mean), or mse (mean over batch and classes, against one-hot targets)."""
    batch_size: int | None = None
    """Examples per step; None is the full batch."""
    schedule: ScheduleName = "constant"
    """How the learning rate changes: constant, linear_warmup (up over warmup_steps), or cosine (down to 0)."""
    warmup_steps: int = 0
    """Steps over which linear_warmup (or cosine, first) raises the learning rate."""
    momentum: float = 0.0
    """Momentum mu: v = mu v + gradient, x -= learning_rate v."""
    clip_norm: float | None = None
    """Rescale the whole gradient of a run to this norm where it is larger; None is never."""
    normalize_gradients: bool = False
    """Divide each layer's gradient (weights and biases together) by its own norm."""
    record_every: int | Literal["log", "never"] = 1
    """Steps between recordings; 'log' records about 20 steps a decade, 'never' none. The final state is recorded
    as well, unless 'never'."""
    evaluate_every: int | None = None
    """Steps between measurements of the test accuracy; None is 20 times in all. The end is always measured."""
    sharpness_every: int | None = None
    """Steps between measurements of the sharpness (the largest eigenvalue of the Hessian of the whole training set's
    loss), which cost some twenty steps each; None is never. The end is measured as well."""
    device: str = "auto"
    """Where to compute: auto (a CUDA device if there is one, else the CPU), cpu, cuda, cuda:1, ..."""
    optimizer: OptimizerName = "descent"
    """The update: descent, x -= learning_rate gradient; or adam, as torch.optim.Adam with its own defaults."""
    engine: EngineName = "auto"
    """What makes the steps: autograd; fused (compiled passes for plain networks on a CPU, needs the extra 'fast'); or
    auto, fused where it can and a run is long enough for it."""

    def __post_init__(self) -> None:
        """Check every field."""
        put = _setter(self)
        put("learning_rates", _checked_list("learning_rates", self.learning_rates, _learning_rate))
        put("seeds", _checked_list("seeds", self.seeds, lambda seed: check_integer("seeds", seed, 0, 2**63 - 1)))
        put("steps", check_integer("steps", self.steps, 0))
        check_choice("loss", self.loss, get_args(LossName))
        if self.batch_size is not None:
            put("batch_size", check_integer("batch_size", self.batch_size, 1))
        check_choice("optimizer", self.optimizer, get_args(OptimizerName))
        check_choice("engine", self.engine, get_args(EngineName))
        check_choice("schedule", self.schedule, get_args(ScheduleName))
        put("warmup_steps", check_integer("warmup_steps", self.warmup_steps, 0))
        if self.schedule == "linear_warmup" and self.warmup_steps == 0:
            raise InputError("warmup_steps must be at least 1 with schedule 'linear_warmup', got 0")
        if self.schedule == "constant" and self.warmup_steps > 0:
            raise InputError(f"warmup_steps needs schedule 'linear_warmup' or 'cosine', got {self.warmup_steps}")
        put("momentum", check_number("momentum", self.momentum, at_least=0.0))
        if self.momentum >= 1.0:
            raise InputError(f"momentum must be less than 1, got {self.momentum:g}")
        if self.momentum > 0 and self.optimizer == "adam":
            raise InputError(f"momentum needs optimizer 'descent' ('adam' has its own), got {self.momentum:g}")
        if self.clip_norm is not None:
            put("clip_norm", check_number("clip_norm", self.clip_norm, above=0.0))
            if self.normalize_gradients:
                raise InputError("clip_norm and normalize_gradients exclude each other, got both")
        if not isinstance(self.normalize_gradients, bool):
            raise InputError(f"normalize_gradients must be true or false, got {self.normalize_gradients!r}")
        if not isinstance(self.device, str):
            raise InputError(f"device must be a name, got {self.device!r}")
        if isinstance(self.record_every, str):
            check_choice("record_every (or a number of steps)", self.record_every, ("log", "never"))
        else:
            put("record_every", check_integer("record_every", self.record_every, 1))
        if self.evaluate_every is not None:
            put("evaluate_every", check_integer("evaluate_every", self.evaluate_every, 1))
        if self.sharpness_every is not None:
            put("sharpness_every", check_integer("sharpness_every", self.sharpness_every, 1))

    @property
    def runs(self) -> tuple[tuple[float, int], ...]:
        """The run axis: (learning rate, seed) of every run, seeds varying fastest."""
        return tuple(itertools.product(self.learning_rates, self.seeds))


def config_to_dict(config: NetworkConfig | TrainingConfig) -> dict[str, Any]:
    """Return the config as plain JSON values."""
    return dataclasses.asdict(config)


def config_from_dict(kind: type, values: dict[str, Any]) -> Any:
    """Rebuild a config of class `kind` from JSON values (lists become tuples), checking it anew."""
    known = {field.name for field in dataclasses.fields(kind)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise InputError(f"{kind.__name__} has no field {unknown[0]!r}{nearest(unknown[0], known)}")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})


def _setter(config: Any) -> Any:
    # Normalised values (an np.float64 becomes a float) are set once, in spite of `frozen`, while the config is made.
    return lambda name, value: object.__setattr__(config, name, value)


def _learning_rate(value: Any) -> float:
    return check_number("learning_rates", value, above=0.0)


def _checked_list(field: str, values: Any, check: Any) -> tuple[Any, ...]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise InputError(f"{field} must be a list of numbers, got {values!r}")
    checked = tuple(check(value) for value in values)
    if not checked:
        raise InputError(f"{field} must name at least one value, got an empty list")
    if len(set(checked)) < len(checked):
        repeated = next(value for index, value in enumerate(checked) if value in checked[:index])
        raise InputError(f"{field} must not repeat a value, got {repeated} twice")
    return checked
