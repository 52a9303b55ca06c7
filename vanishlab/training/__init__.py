"""Training a stack of networks by plain gradient descent, and sweeps of hundreds.

`loop` is `train`; `update` changes the weights and `descent` is the rule it follows, for any objective; `sweep/` trains
grids of networks wherever there is room. Names are imported when they are first used.
"""

from typing import TYPE_CHECKING

from vanishlab.faces import lazy_names

if TYPE_CHECKING:
    from vanishlab.training.descent import gradient_descent, linear_regression_gradient
    from vanishlab.training.loop import Run, TrainingInterrupted, train, train_runs

_HOME = {
    "gradient_descent": "descent",
    "linear_regression_gradient": "descent",
    "Run": "loop",
    "TrainingInterrupted": "loop",
    "train": "loop",
    "train_runs": "loop",
}

__all__ = [
    "Run",
    "TrainingInterrupted",
    "gradient_descent",
    "linear_regression_gradient",
    "train",
    "train_runs",
]

__getattr__, __dir__ = lazy_names(__name__, _HOME)
