"""vanishlab: what happens to the gradient on its way back through a deep network?

    import vanishlab as vl

    record = vl.train(vl.NetworkConfig(depth=20), vl.TrainingConfig(steps=100), vl.load_data("digits"))
    record.gradient_norm  # float64 (run, step, layer)
    vl.theory.mean_field("tanh", sigma_w=1.5).chi  # what theory offers of its own, beside `vl.predict`

Names are imported when they are first used, so that `import vanishlab` and `vanishlab --help` answer at once.
"""

import os
from typing import TYPE_CHECKING

from vanishlab.faces import lazy_names
from vanishlab.version import __version__ as __version__

# Intel's MKL picks its kernels by the alignment of each matrix unless told not to; a run's bits would then depend on
# its place in the stack. It reads this once, at the process's first product; a value the user has set stays.
os.environ.setdefault("MKL_CBWR", "AUTO")

if TYPE_CHECKING:
    from vanishlab import theory
    from vanishlab.analysis.clipping import clipping_threshold
    from vanishlab.analysis.coordinates.check import coordinate_check
    from vanishlab.analysis.coordinates.scaling import CoordinateCheck
    from vanishlab.analysis.diagnosis import Diagnosis, diagnose
    from vanishlab.analysis.examine import examine
    from vanishlab.analysis.remedies.mending import mend
    from vanishlab.analysis.remedies.trial import try_remedies
    from vanishlab.analysis.verdict import Thresholds
    from vanishlab.analysis.watcher import IllnessFound, IllnessWarning, Watcher
    from vanishlab.config import NetworkConfig, TrainingConfig
    from vanishlab.data import Dataset, load_data
    from vanishlab.errors import InputError
    from vanishlab.network.curvature import sharpness
    from vanishlab.network.deltas import per_example_deltas
    from vanishlab.network.jacobian import jacobian_singular_values
    from vanishlab.network.mlp import MLP
    from vanishlab.network.octaves import layer_octaves
    from vanishlab.recording.record import Record
    from vanishlab.recording.recorder import GradientRecorder
    from vanishlab.theory.prediction import Prediction, predict
    from vanishlab.training.descent import gradient_descent, linear_regression_gradient
    from vanishlab.training.loop import train
    from vanishlab.training.sweep.grid import Grid
    from vanishlab.training.sweep.running import SweepFailed, sweep
    from vanishlab.training.sweep.saved import Sweep, load_sweep

_HOME = {
    "theory": "theory",
    "clipping_threshold": "analysis.clipping",
    "CoordinateCheck": "analysis.coordinates.scaling",
    "coordinate_check": "analysis.coordinates.check",
    "Diagnosis": "analysis.diagnosis",
    "diagnose": "analysis.diagnosis",
    "examine": "analysis.examine",
    "mend": "analysis.remedies.mending",
    "try_remedies": "analysis.remedies.trial",
    "Thresholds": "analysis.verdict",
    "IllnessFound": "analysis.watcher",
    "IllnessWarning": "analysis.watcher",
    "Watcher": "analysis.watcher",
    "NetworkConfig": "config",
    "TrainingConfig": "config",
    "Dataset": "data",
    "load_data": "data",
    "InputError": "errors",
    "sharpness": "network.curvature",
    "layer_octaves": "network.octaves",
    "per_example_deltas": "network.deltas",
    "jacobian_singular_values": "network.jacobian",
    "MLP": "network.mlp",
    "Record": "recording.record",
    "GradientRecorder": "recording.recorder",
    "Prediction": "theory.prediction",
    "predict": "theory.prediction",
    "gradient_descent": "training.descent",
    "linear_regression_gradient": "training.descent",
    "train": "training.loop",
    "Grid": "training.sweep.grid",
    "SweepFailed": "training.sweep.running",
    "sweep": "training.sweep.running",
    "Sweep": "training.sweep.saved",
    "load_sweep": "training.sweep.saved",
}

__all__ = [
    "MLP",
    "CoordinateCheck",
    "Dataset",
    "Diagnosis",
    "GradientRecorder",
    "Grid",
    "IllnessFound",
    "IllnessWarning",
    "InputError",
    "NetworkConfig",
    "Prediction",
    "Record",
    "Sweep",
    "SweepFailed",
    "Thresholds",
    "TrainingConfig",
    "Watcher",
    "clipping_threshold",
    "coordinate_check",
    "diagnose",
    "examine",
    "gradient_descent",
    "jacobian_singular_values",
    "layer_octaves",
    "linear_regression_gradient",
    "load_data",
    "load_sweep",
    "mend",
    "per_example_deltas",
    "predict",
    "sharpness",
    "sweep",
    "theory",
    "train",
    "try_remedies",
]

__getattr__, __dir__ = lazy_names(__name__, _HOME)
