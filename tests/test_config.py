"""What a config accepts, how it says no, and that it survives the way through a dict."""

import dataclasses
import json
import math
import re
import typing
from typing import Any

import numpy as np
import pytest

import vanishlab as vl
from vanishlab import config
from vanishlab.activations import ACTIVATIONS
from vanishlab.config import config_from_dict, config_to_dict

ACTIVATION_LIST = ", ".join(map(repr, ACTIVATIONS))
INITIALIZATION_LIST = (
    "'torch_default', 'xavier_uniform', 'xavier_normal', 'kaiming_uniform', 'kaiming_normal', 'lecun_normal', "
    "'orthogonal', 'gaussian'"
)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"depth": 0}, "depth must be at least 1, got 0"),
        ({"depth": -3}, "depth must be at least 1, got -3"),
        ({"depth": 10_001}, "depth must be at most 10000, got 10001"),
        ({"depth": 2.0}, "depth must be a whole number, got 2.0"),
        ({"depth": True}, "depth must be a whole number, got True"),
        ({"depth": "3"}, "depth must be a whole number, got '3'"),
        ({"depth": None}, "depth must be a whole number, got None"),
        ({"width": 0}, "width must be at least 1, got 0"),
        ({"width": 1.5}, "width must be a whole number, got 1.5"),
        ({"width": "64"}, "width must be a whole number, got '64'"),
        ({"depth": 2, "width": (3, 0)}, "width must be at least 1, got 0"),
        ({"depth": 2, "width": (3, 4, 5)}, "width must be one number or one per hidden layer (depth=2), got 3 numbers"),
        ({"depth": 2, "width": ()}, "width must be one number or one per hidden layer (depth=2), got 0 numbers"),
        (
            {"activation": "rleu"},
            f"activation must be one of {ACTIVATION_LIST}, got 'rleu' (did you mean 'relu'?)",
        ),
        (
            {"activation": "Sigmoid"},
            f"activation must be one of {ACTIVATION_LIST}, got 'Sigmoid' (did you mean 'sigmoid'?)",
        ),
        ({"activation": "???"}, f"activation must be one of {ACTIVATION_LIST}, got '???'"),
        ({"activation": 3}, f"activation must be one of {ACTIVATION_LIST}, got 3"),
        (
            {"initialization": "kaiming"},
            f"initialization must be one of {INITIALIZATION_LIST}, got 'kaiming' (did you mean 'kaiming_normal'?)",
        ),
        ({"normalization": "bacth"}, "normalization must be one of 'none', 'batch', 'layer', 'rms', got 'bacth' "
                                     "(did you mean 'batch'?)"),
        ({"residual": "plane"}, "residual (or a number, the branch scale) must be one of 'none', 'plain', 'learned', "
                                "got 'plane' (did you mean 'plain'?)"),
        ({"residual": math.nan}, "residual must be finite, got nan"),
        ({"residual": None}, "residual must be a number, got None"),
        ({"depth": 2, "width": (3, 4), "residual": "plain"},
         "residual needs hidden layers of one width, got width=(3, 4)"),
        ({"dtype": "float16"}, "dtype must be one of 'float32', 'float64', got 'float16' (did you mean 'float64'?)"),
        ({"sigma_w": 0.0, "initialization": "gaussian"}, "sigma_w must be greater than 0, got 0"),
        ({"sigma_w": -1.0, "initialization": "gaussian"}, "sigma_w must be greater than 0, got -1"),
        ({"sigma_w": math.inf, "initialization": "gaussian"}, "sigma_w must be finite, got inf"),
        ({"sigma_b": -0.5, "initialization": "gaussian"}, "sigma_b must be at least 0, got -0.5"),
        ({"sigma_b": "x", "initialization": "gaussian"}, "sigma_b must be a number, got 'x'"),
        ({"sigma_w": 2.0}, "sigma_w and sigma_b apply to initialization 'gaussian' or 'orthogonal' only, "
                           "got sigma_w=2, sigma_b=0 with 'torch_default'"),
        ({"sigma_b": 0.1, "initialization": "xavier_normal"},
         "sigma_w and sigma_b apply to initialization 'gaussian' or 'orthogonal' only, "
         "got sigma_w=1, sigma_b=0.1 with 'xavier_normal'"),
    ],
    ids=str,
)  # fmt: skip
def test_a_wrong_network_is_told_by_field_rule_and_value(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(vl.InputError) as caught:
        vl.NetworkConfig(**fields)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"learning_rates": ()}, "learning_rates must name at least one value, got an empty list"),
        ({"learning_rates": (0.1, 0.0)}, "learning_rates must be greater than 0, got 0"),
        ({"learning_rates": (-1.0,)}, "learning_rates must be greater than 0, got -1"),
        ({"learning_rates": (math.nan,)}, "learning_rates must be finite, got nan"),
        ({"learning_rates": (math.inf,)}, "learning_rates must be finite, got inf"),
        ({"learning_rates": ("0.1",)}, "learning_rates must be a number, got '0.1'"),
        ({"learning_rates": 0.1}, "learning_rates must be a list of numbers, got 0.1"),
        ({"learning_rates": "0.1"}, "learning_rates must be a list of numbers, got '0.1'"),
        ({"learning_rates": (0.1, 0.2, 0.1)}, "learning_rates must not repeat a value, got 0.1 twice"),
        ({"seeds": ()}, "seeds must name at least one value, got an empty list"),
        ({"seeds": (-1,)}, "seeds must be at least 0, got -1"),
        ({"seeds": (2**63,)}, f"seeds must be at most {2**63 - 1}, got {2**63}"),
        ({"seeds": (0.5,)}, "seeds must be a whole number, got 0.5"),
        ({"seeds": (3, 3)}, "seeds must not repeat a value, got 3 twice"),
        ({"steps": -1}, "steps must be at least 0, got -1"),
        ({"steps": 1.5}, "steps must be a whole number, got 1.5"),
        ({"loss": "mae"}, "loss must be one of 'cross_entropy', 'mse', got 'mae' (did you mean 'mse'?)"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"schedule": "cosin"}, "schedule must be one of 'constant', 'linear_warmup', 'cosine', got 'cosin' "
                                "(did you mean 'cosine'?)"),
        ({"schedule": "linear_warmup"}, "warmup_steps must be at least 1 with schedule 'linear_warmup', got 0"),
        ({"warmup_steps": 5}, "warmup_steps needs schedule 'linear_warmup' or 'cosine', got 5"),
        ({"warmup_steps": -1, "schedule": "cosine"}, "warmup_steps must be at least 0, got -1"),
        ({"momentum": 1.0}, "momentum must be less than 1, got 1"),
        ({"momentum": -0.1}, "momentum must be at least 0, got -0.1"),
        ({"momentum": math.nan}, "momentum must be finite, got nan"),
        ({"optimizer": "adm"}, "optimizer must be one of 'descent', 'adam', got 'adm' (did you mean 'adam'?)"),
        ({"optimizer": "adam", "momentum": 0.9},
         "momentum needs optimizer 'descent' ('adam' has its own), got 0.9"),
        ({"clip_norm": 0.0}, "clip_norm must be greater than 0, got 0"),
        ({"clip_norm": math.inf}, "clip_norm must be finite, got inf"),
        ({"clip_norm": 1.0, "normalize_gradients": True},
         "clip_norm and normalize_gradients exclude each other, got both"),
        ({"record_every": 0}, "record_every must be at least 1, got 0"),
        ({"record_every": 2.5}, "record_every must be a whole number, got 2.5"),
        ({"record_every": "lgo"}, "record_every (or a number of steps) must be one of 'log', 'never', got 'lgo' "
                                  "(did you mean 'log'?)"),
        ({"evaluate_every": 0}, "evaluate_every must be at least 1, got 0"),
    ],
    ids=str,
)  # fmt: skip
def test_a_wrong_training_is_told_by_field_rule_and_value(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(vl.InputError) as caught:
        vl.TrainingConfig(**fields)
    assert str(caught.value) == message


def test_a_whole_number_beyond_float64_is_told_as_well() -> None:
    with pytest.raises(vl.InputError, match=r"^learning_rates must be finite, got "):
        vl.TrainingConfig(learning_rates=(10**400,))


def test_numpy_numbers_and_sequences_become_plain_ones() -> None:
    network = vl.NetworkConfig(
        depth=np.int64(2), width=np.array([3, 4]), initialization="gaussian",  # pyright: ignore[reportArgumentType]
        sigma_w=np.float64(1.5), sigma_b=np.float32(0.5),  # pyright: ignore[reportArgumentType]
    )  # fmt: skip
    assert network == vl.NetworkConfig(depth=2, width=(3, 4), initialization="gaussian", sigma_w=1.5, sigma_b=0.5)
    training = vl.TrainingConfig(
        learning_rates=np.array([0.01, 0.1, 1]), seeds=range(2), steps=np.int32(7),  # pyright: ignore[reportArgumentType]
        clip_norm=1, record_every=np.int64(5), batch_size=np.uint8(8),  # pyright: ignore[reportArgumentType]
    )  # fmt: skip
    kinds = {
        "depth": network.depth, "width": network.widths[0], "seeds": training.seeds[0], "steps": training.steps,
        "record_every": training.record_every, "batch_size": training.batch_size,
    }  # fmt: skip
    assert {name: type(value) for name, value in kinds.items()} == dict.fromkeys(kinds, int)
    reals = (network.sigma_w, network.sigma_b, training.learning_rates[0], training.clip_norm)
    assert {type(value) for value in reals} == {float}
    assert training.learning_rates == (0.01, 0.1, 1.0) and training.seeds == (0, 1)


def test_equal_widths_are_one_number_however_they_are_given() -> None:
    assert vl.NetworkConfig(depth=3, width=[8, 8, 8]) == vl.NetworkConfig(depth=3, width=8)  # pyright: ignore[reportArgumentType]
    assert vl.NetworkConfig(depth=3, width=8).widths == (8, 8, 8)
    assert vl.NetworkConfig(depth=3, width=(8, 8, 8), residual="plain").width == 8
    assert vl.NetworkConfig(depth=2, width=(8, 4)).widths == (8, 4)


def test_the_branch_scale_is_none_one_zero_or_the_number() -> None:
    residuals: tuple[Any, ...] = ("none", "plain", "learned", 0.25, 2)
    assert [vl.NetworkConfig(residual=r).branch_scale for r in residuals] == [None, 1.0, 0.0, 0.25, 2.0]


def test_runs_are_every_rate_with_every_seed_and_seeds_vary_fastest() -> None:
    training = vl.TrainingConfig(learning_rates=(0.1, 0.2), seeds=(5, 7))
    assert training.runs == ((0.1, 5), (0.1, 7), (0.2, 5), (0.2, 7))


@pytest.mark.parametrize("kind", [vl.NetworkConfig, vl.TrainingConfig])
def test_configs_are_frozen_hashable_and_compare_by_value(kind: type) -> None:
    made = kind()
    field = dataclasses.fields(made)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(made, field, 3)
    assert made == kind() and hash(made) == hash(kind())


NETWORKS = (
    vl.NetworkConfig(),
    vl.NetworkConfig(depth=2, width=(3, 4), activation="gelu", normalization="rms", dtype="float64"),
    vl.NetworkConfig(initialization="gaussian", sigma_w=1.1, sigma_b=1 / 3, residual=0.1),
    vl.NetworkConfig(depth=10_000, width=1, residual="learned"),
)
TRAININGS = (
    vl.TrainingConfig(),
    vl.TrainingConfig(learning_rates=(1e-300, 1 / 3, 1e300), seeds=(0, 2**63 - 1), record_every="log", clip_norm=0.1),
    vl.TrainingConfig(schedule="cosine", warmup_steps=3, momentum=0.9, batch_size=7, evaluate_every=2, device="cpu"),
)


@pytest.mark.parametrize("made", [*NETWORKS, *TRAININGS], ids=str)
def test_a_config_survives_json(made: Any) -> None:
    assert config_from_dict(type(made), json.loads(json.dumps(config_to_dict(made)))) == made


def test_a_dict_is_checked_anew_when_it_becomes_a_config() -> None:
    values = config_to_dict(vl.NetworkConfig())
    with pytest.raises(vl.InputError, match=r"^NetworkConfig has no field 'colour'$"):
        config_from_dict(vl.NetworkConfig, values | {"colour": "red"})
    with pytest.raises(vl.InputError, match=r"^depth must be at least 1, got 0$"):
        config_from_dict(vl.NetworkConfig, values | {"depth": 0})


def test_the_names_in_the_types_are_the_names_of_the_tables() -> None:
    assert typing.get_args(config.ActivationName) == tuple(ACTIVATIONS)
    assert set(config.SCALED_INITIALIZATIONS) < set(typing.get_args(config.InitializationName))


@pytest.mark.parametrize("kind", [vl.NetworkConfig, vl.TrainingConfig])
def test_an_input_error_is_a_value_error_of_one_line(kind: type) -> None:
    field = dataclasses.fields(kind)[0].name
    with pytest.raises(ValueError, match=r".") as caught:
        kind(**{field: ["a\nb"]})
    assert len(re.findall("\n", str(caught.value))) == 0


@pytest.mark.parametrize("initialization", typing.get_args(config.InitializationName))
def test_gain_is_the_activations_under_kaiming_sigma_w_where_it_is_taken_and_else_one(initialization: Any) -> None:
    taken = {"sigma_w": 1.7} if initialization in config.SCALED_INITIALIZATIONS else {}
    network = vl.NetworkConfig(activation="relu", initialization=initialization, **taken)  # pyright: ignore
    assert network.gain == (2**0.5 if "kaiming" in initialization else taken.get("sigma_w", 1.0))
