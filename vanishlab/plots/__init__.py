"""Pictures of records and predictions: functions that draw on one `ax`, and whole figures made of them.

    from vanishlab import plots

    plots.save_both(plots.three_curves(record), "pictures/sigmoid")  # sigmoid.png and sigmoid.svg
    plots.depth_profile(ax, record, "delta_rms", step=0)             # on axes of your own
    plots.depth_profile(None, record, "delta_rms").figure            # on a figure of its own, which shows itself
    plots.save_both(plots.prediction_figure(prediction, record), "pictures/theory")
    plots.save_both(plots.prediction_figure(prediction, record, plots.MEANING), "pictures/meaning")
    plots.save_both(plots.phase_figure(diagram, {"mine": (1.2, 0.1)}), "pictures/phases")
    plots.save_both(plots.coordinate_figure(check), "pictures/widths")
    with plots.language("zh"):                                       # in Chinese
        plots.save_both(plots.three_curves(record), "pictures/sigmoid_zh")

Nothing here computes more than records and predictions offer, opens a window, or touches pyplot's global state.
Background, text, fonts and grid are those of matplotlib's style at the time, `dark_background` say; colours of data are
the lab's own.
"""

from vanishlab.plots.captions import describe_network
from vanishlab.plots.coordinates import coordinate_figure
from vanishlab.plots.figures import (
    comparison,
    history_figure,
    learning_rate_figure,
    meaning_curves,
    phase_figure,
    prediction_figure,
    sweep_figure,
    three_curves,
    training_figure,
    update_ratio_figure,
)
from vanishlab.plots.fonts import language
from vanishlab.plots.history import HistoryArtists, history
from vanishlab.plots.maps import SweepMapArtists, sweep_map
from vanishlab.plots.meaning import meaning_profile
from vanishlab.plots.octaves import octave_map, octaves_figure
from vanishlab.plots.phases import PhaseArtists, phase_map
from vanishlab.plots.predictions import PredictionArtists, prediction_profile
from vanishlab.plots.profiles import ProfileArtists, depth_profile, update_ratio
from vanishlab.plots.rates import RateScale
from vanishlab.plots.saving import save_both, save_figure
from vanishlab.plots.training import CurveArtists, PanelArtists, accuracy_curves, learning_rate_panel, loss_curves
from vanishlab.recording.quantities import MEANING

__all__ = [
    "MEANING",
    "CurveArtists",
    "HistoryArtists",
    "PanelArtists",
    "PhaseArtists",
    "PredictionArtists",
    "ProfileArtists",
    "RateScale",
    "SweepMapArtists",
    "accuracy_curves",
    "comparison",
    "coordinate_figure",
    "depth_profile",
    "describe_network",
    "history",
    "history_figure",
    "language",
    "learning_rate_figure",
    "learning_rate_panel",
    "loss_curves",
    "meaning_curves",
    "meaning_profile",
    "octave_map",
    "octaves_figure",
    "phase_figure",
    "phase_map",
    "prediction_figure",
    "prediction_profile",
    "save_both",
    "save_figure",
    "sweep_figure",
    "sweep_map",
    "three_curves",
    "training_figure",
    "update_ratio",
    "update_ratio_figure",
]
