"""Theory of wide random networks: what the gradients will be before a network exists.

    from vanishlab import theory

    theory.mean_field("tanh", sigma_w=1.5, sigma_b=0.1)  # fixed points, chi, depth scales, phase
    theory.critical_point("tanh", sigma_b=0.1)           # where gradients neither vanish nor explode
    theory.length_map("tanh", [0.1, 1.0, 10.0], 1.5)     # and correlation_map, susceptibility, their fixed points
    theory.phase_diagram("tanh")                         # q* and chi over (sigma_w, sigma_b)
    theory.predict(network, data)                        # per-layer norms on your data, and `Prediction.mean_field`

phi is given by its name, sigma_w and sigma_b as scales: Var W = sigma_w^2 / fan_in, Var b = sigma_b^2; `network_point`
reads them off a `NetworkConfig`. q is the variance of pre-activations, c the correlation of two of them, chi the factor
of E|dloss/dz|^2 per layer, xi a number of layers. Arrays of q and c give arrays. None of this sees a network's weights.

`prediction` and `phases` are the answers; they rest on `meanfield/` (length and correlation maps, chi, phases),
`layers/` (covariances of the data), `width/` (finite width), `batch_norm/` and `gaussian/` (expectations of phi). Names
are imported when they are first used.
"""

from typing import TYPE_CHECKING

from vanishlab.faces import lazy_names

if TYPE_CHECKING:
    from vanishlab.theory.batch_norm.explosion_rate import batch_norm_rate
    from vanishlab.theory.gaussian.expectations import (
        first_moment,
        fourth_moments,
        pair_moment,
        pair_slope_moment,
        second_moment,
        slope_second_moment,
    )
    from vanishlab.theory.meanfield.correlation import correlation_fixed_point, correlation_map, susceptibility
    from vanishlab.theory.meanfield.critical import CriticalPoint, critical_point
    from vanishlab.theory.meanfield.fixed_points import MeanField, mean_field, network_mean_field, network_point
    from vanishlab.theory.meanfield.length import (
        LengthFixedPoint,
        length_fixed_point,
        length_fixed_points,
        length_map,
        length_slope,
    )
    from vanishlab.theory.phases import PhaseDiagram, phase_diagram
    from vanishlab.theory.prediction import Prediction, predict
    from vanishlab.theory.weight_variances import layer_scales

_HOME = {
    "batch_norm_rate": "batch_norm.explosion_rate",
    "first_moment": "gaussian.expectations",
    "fourth_moments": "gaussian.expectations",
    "pair_moment": "gaussian.expectations",
    "pair_slope_moment": "gaussian.expectations",
    "second_moment": "gaussian.expectations",
    "slope_second_moment": "gaussian.expectations",
    "correlation_fixed_point": "meanfield.correlation",
    "correlation_map": "meanfield.correlation",
    "susceptibility": "meanfield.correlation",
    "CriticalPoint": "meanfield.critical",
    "critical_point": "meanfield.critical",
    "MeanField": "meanfield.fixed_points",
    "mean_field": "meanfield.fixed_points",
    "network_mean_field": "meanfield.fixed_points",
    "network_point": "meanfield.fixed_points",
    "LengthFixedPoint": "meanfield.length",
    "length_fixed_point": "meanfield.length",
    "length_fixed_points": "meanfield.length",
    "length_map": "meanfield.length",
    "length_slope": "meanfield.length",
    "PhaseDiagram": "phases",
    "phase_diagram": "phases",
    "Prediction": "prediction",
    "predict": "prediction",
    "layer_scales": "weight_variances",
}

__all__ = [
    "CriticalPoint",
    "LengthFixedPoint",
    "MeanField",
    "PhaseDiagram",
    "Prediction",
    "batch_norm_rate",
    "correlation_fixed_point",
    "correlation_map",
    "critical_point",
    "first_moment",
    "fourth_moments",
    "layer_scales",
    "length_fixed_point",
    "length_fixed_points",
    "length_map",
    "length_slope",
    "mean_field",
    "network_mean_field",
    "network_point",
    "pair_moment",
    "pair_slope_moment",
    "phase_diagram",
    "predict",
    "second_moment",
    "slope_second_moment",
    "susceptibility",
]

__getattr__, __dir__ = lazy_names(__name__, _HOME)
