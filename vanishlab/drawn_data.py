"""Data sets that are drawn: moons, spirals and Gaussian clusters, `(n, features)` and labels `(n,)` from a seed.

Moons and clusters are those of scikit-learn's `make_moons` and `make_blobs`, number for number: its import takes a
second. The draws are those of numpy's legacy generator, whose streams do not change any more.
"""

import numpy as np

Drawn = tuple[np.ndarray, np.ndarray]
EXAMPLES = 1000


def moons(seed: int, noise: float = 0.1) -> Drawn:
    """Return two half circles that reach into each other, about the origin, with Gaussian noise of this scale.

    >>> x, y = moons(0)
    >>> x.shape, y[:4].tolist(), x[0].round(3).tolist()
    ((1000, 2), [1, 1, 0, 1], [1.543, 0.268])
    """
    generator = np.random.RandomState(seed)
    angle = np.linspace(0, np.pi, EXAMPLES // 2)
    outer = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    inner = np.stack([1 - np.cos(angle), 1 - np.sin(angle) - 0.5], axis=1)
    x, y = _shuffled(np.concatenate([outer, inner]), np.repeat([0, 1], EXAMPLES // 2), generator)
    return x + generator.normal(scale=noise, size=x.shape) - np.array([0.5, 0.25]), y


def clusters(seed: int, classes: int = 10, features: int = 10, deviation: float = 0.5) -> Drawn:
    """Return Gaussian clusters whose centres are drawn from a cube of side 2.

    Distances between centres are about 5 of the clusters' standard deviations.
    """
    generator = np.random.RandomState(seed)
    centres = generator.uniform(-1, 1, size=(classes, features))
    size = EXAMPLES // classes
    x = np.concatenate([generator.normal(centre, deviation, size=(size, features)) for centre in centres])
    return _shuffled(x, np.repeat(np.arange(classes), size), generator)


def spirals(seed: int, arms: int = 3, turns: float = 1.0) -> Drawn:
    """Return the arms of a spiral, with Gaussian noise on the angle."""
    generator = np.random.default_rng(seed)
    y = np.arange(EXAMPLES) % arms
    radius = np.sqrt(generator.uniform(0.01, 1.0, EXAMPLES))
    angle = 2 * np.pi * (turns * radius + y / arms) + generator.normal(0, 0.15, EXAMPLES)
    return 2 * radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1), y


def _shuffled(x: np.ndarray, y: np.ndarray, generator: np.random.RandomState) -> Drawn:
    order = np.arange(len(y))
    generator.shuffle(order)
    return x[order], y[order]
