"""A stratified split, as scikit-learn's `train_test_split` makes it, number for number: its import takes a second.

The draws are those of numpy's legacy generator, whose streams do not change any more.
"""

import math

import numpy as np

Generator = np.random.RandomState


def stratified(y: np.ndarray, test_share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the places (train,) and (test,) of examples with labels `y` (n,); each class keeps its share in both.

    >>> train, test = stratified(np.arange(10) % 2, 0.2, seed=0)
    >>> len(train), int((test % 2).sum())
    (8, 1)
    """
    generator = Generator(seed)
    _, classes, counts = np.unique(y, return_inverse=True, return_counts=True)
    places = np.split(np.argsort(classes, kind="stable"), np.cumsum(counts)[:-1])  # of each class
    tested = math.ceil(test_share * len(y))
    train_counts = _shares(counts, len(y) - tested, generator)
    test_counts = _shares(counts - train_counts, tested, generator)
    train, test = [], []
    for here, first, second in zip(places, train_counts, test_counts, strict=True):
        drawn = here[generator.permutation(len(here))]
        train.append(drawn[:first])
        test.append(drawn[first : first + second])
    return generator.permutation(np.concatenate(train)), generator.permutation(np.concatenate(test))


def _shares(counts: np.ndarray, draws: int, generator: Generator) -> np.ndarray:
    """Return how many of each class are drawn: in proportion, the largest remainders rounded up, ties drawn by lot."""
    exact = counts / counts.sum() * draws
    whole = np.floor(exact)
    remainder, missing = exact - whole, int(draws - whole.sum())
    for value in np.unique(remainder)[::-1]:
        if missing == 0:
            break
        (tied,) = np.nonzero(remainder == value)
        added = min(len(tied), missing)
        whole[generator.choice(tied, size=added, replace=False)] += 1
        missing -= added
    return whole.astype(int)
