"""`Grid`: several values for each field of `NetworkConfig`, and every combination of them."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vanishlab.config import (
    SCALED_INITIALIZATIONS,
    ActivationName,
    DtypeName,
    InitializationName,
    NetworkConfig,
    NormalizationName,
    ResidualName,
)
from vanishlab.errors import InputError


@dataclass(frozen=True)
class Grid:
    """Every combination of the values given, the last field varying fastest.

    Any iterable does for a field's values, and a single value for itself; a width may be a tuple, one per layer.
    sigma_w and sigma_b are combined with the initialisations that they apply to; the others appear once. Raises
    `InputError` for a field without a value, a value given twice, and what `NetworkConfig` does not take.

    >>> [network.depth for network in Grid(depth=(5, 10), activation=("relu", "tanh"))]
    [5, 5, 10, 10]
    """

    depth: tuple[int, ...] = (20,)
    """Numbers of hidden layers."""
    width: tuple[int, ...] = (64,)
    """Units per hidden layer."""
    activation: tuple[ActivationName, ...] = ("sigmoid",)
    """Activation functions."""
    initialization: tuple[InitializationName, ...] = ("torch_default",)
    """How weights are drawn."""
    sigma_w: tuple[float, ...] = (1.0,)
    """Weight scales of 'gaussian' and 'orthogonal'."""
    sigma_b: tuple[float, ...] = (0.0,)
    """Bias scales of 'gaussian' and 'orthogonal'."""
    normalization: tuple[NormalizationName, ...] = ("none",)
    """Normalisations of the pre-activation."""
    residual: tuple[ResidualName | float, ...] = ("none",)
    """Skip connections: none, plain, learned, or a branch scale."""
    dtype: tuple[DtypeName, ...] = ("float32",)
    """Floating-point types."""

    def __post_init__(self) -> None:
        """Make tuples of single values, and every network once, so that a wrong value is told now."""
        for field in dataclasses.fields(self):
            values = getattr(self, field.name)
            several = isinstance(values, Iterable) and not isinstance(values, str)
            values = tuple(values) if several else (values,)
            if not values:
                raise InputError(f"{field.name} must have at least one value, got none")
            repeated = [value for place, value in enumerate(values) if value in values[:place]]
            if repeated:
                raise InputError(f"{field.name} must not repeat a value, got {repeated[0]!r} twice")
            object.__setattr__(self, field.name, values)
        for _ in self:
            pass

    def __iter__(self) -> Iterator[NetworkConfig]:
        """Yield each network once."""
        names = [field.name for field in dataclasses.fields(self)]
        scaled = any(name in SCALED_INITIALIZATIONS for name in self.initialization)
        seen: set[NetworkConfig] = set()
        for values in itertools.product(*(getattr(self, name) for name in names)):
            fields = dict(zip(names, values, strict=True))
            if scaled and fields["initialization"] not in SCALED_INITIALIZATIONS:
                fields |= {"sigma_w": 1.0, "sigma_b": 0.0}
            network = NetworkConfig(**fields)
            if network not in seen:
                seen.add(network)
                yield network

    def __len__(self) -> int:
        """Return the number of networks."""
        return sum(1 for _ in self)
