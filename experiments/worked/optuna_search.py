"""Which network of 20 layers trains best? An Optuna search over `NetworkConfig` that theory cuts short.

Setup   activation, initialisation, normalisation, residual connections and learning rate are searched (TPE, seed 0);
        a network is trained for 60 steps on 256 digits, and judged by its training accuracy. Before that `vl.predict`
        says how much of delta reaches the first layer: below 1e-4, or where activations outgrow theory, the trial is
        pruned, and nothing is trained.
Expect  2 of 10 trials are pruned before training and 1 diverges; the best is tanh with Xavier's initialisation, layer
        normalisation and residual connections, at an accuracy of 0.992.
Run     python experiments/worked/optuna_search.py       # half a minute on two CPU cores; pip install optuna
Writes  nothing; it prints the five best trials and how many were pruned
"""

from dataclasses import dataclass
from typing import Any

import tyro

from vanishlab import InputError, NetworkConfig, TrainingConfig, load_data, predict, train
from vanishlab.cli.console import run
from vanishlab.cli.tables import print_table
from vanishlab.language.sentences import say

LEAST = 1e-4  # of delta that must reach the first layer
ACTIVATIONS, INITIALIZATIONS = ("sigmoid", "tanh", "relu", "selu"), ("torch_default", "xavier_normal", "kaiming_normal")


@dataclass(frozen=True)
class Options:
    trials: int = 10
    """Networks to try."""
    depth: int = 20
    """Hidden layers."""
    width: int = 32
    """Units per hidden layer."""
    steps: int = 60
    """Updates."""
    max_examples: int = 256
    """Training examples."""


def search(options: Options) -> Any:
    """Return the Optuna study."""
    try:
        import optuna
    except ImportError as error:
        raise InputError("this example needs Optuna: pip install optuna") from error
    data = load_data("digits", max_examples=options.max_examples)

    def objective(trial: Any) -> float:
        network = NetworkConfig(
            depth=options.depth,
            width=options.width,
            activation=trial.suggest_categorical("activation", ACTIVATIONS),
            initialization=trial.suggest_categorical("initialization", INITIALIZATIONS),
            normalization=trial.suggest_categorical("normalization", ("none", "layer")),
            residual=trial.suggest_categorical("residual", ("none", "plain")),
        )
        rate = trial.suggest_float("learning_rate", 1e-3, 1.0, log=True)
        try:
            prediction = predict(network, data, progress=False)
        except InputError:  # activations grow beyond what theory's tables hold: so does the network
            trial.set_user_attr("theory", "grows")
            raise optuna.TrialPruned from None
        reaches = 10.0 ** (prediction.log10_delta_rms[0] - prediction.log10_delta_rms[-1])
        trial.set_user_attr("delta, first / last", float(reaches))
        if reaches < LEAST:
            trial.set_user_attr("theory", "vanishes")
            raise optuna.TrialPruned
        training = TrainingConfig(learning_rates=(rate,), steps=options.steps, record_every="log")
        record = train(network, training, data, progress=False)
        if record.diverged[0]:
            raise optuna.TrialPruned
        return float(record.at_end(record.accuracy)[0])

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(objective, n_trials=options.trials)
    return study


def main(options: tyro.conf.OmitArgPrefixes[Options]) -> None:
    study = search(options)
    done = sorted((trial for trial in study.trials if trial.value is not None), key=lambda trial: -trial.value)
    pruned = [trial for trial in study.trials if trial.value is None]
    foreseen = sum("theory" in trial.user_attrs for trial in pruned)
    columns = [
        say("accuracy"),
        say("delta, first / last"),
        *(say(each.replace("_", " ")) for each in study.trials[0].params),
    ]
    rows = [[trial.value, trial.user_attrs["delta, first / last"], *trial.params.values()] for trial in done[:5]]
    print_table(say("the best of {trials} trials", trials=len(study.trials)), columns, rows)
    diverged = len(pruned) - foreseen
    print(say("{pruned} trials were pruned by theory before training, {diverged} diverged",
              pruned=foreseen, diverged=diverged))  # fmt: skip


if __name__ == "__main__":
    run(main)
