"""What a report says at its top: which network or learning rate wins, and what reaches the first layer."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

import vanishlab as vl

pytest.importorskip("jinja2", reason="the extra vanishlab[report] is not installed")

from vanishlab.report.answer import answer_of
from vanishlab.report.gathered import gather
from vanishlab.report.sources import open_sources

DATA = vl.load_data("digits", max_examples=32)
RATES, SEEDS = (0.1, 1.0), (0, 1, 2)


def made(accuracy: list[float], gone: tuple[int, ...] = (), depth: int = 2) -> vl.Record:
    """Return a record whose runs, rate by rate and seed by seed, end with these test accuracies."""
    record = vl.train(vl.NetworkConfig(depth, 4), vl.TrainingConfig(RATES, SEEDS, steps=2), DATA)
    ends = np.repeat(np.array(accuracy)[:, None], record.test_accuracy.shape[1], axis=1)
    steps = record.diverged_step.copy()
    steps[list(gone)] = 1
    return dataclasses.replace(record, test_accuracy=ends, diverged_step=steps)


def told(**records: vl.Record) -> str:
    return answer_of(gather(open_sources(records))).text


def test_the_best_and_the_worst_are_named_by_their_medians() -> None:
    good = made([0.2, 0.3, 0.9, 0.5, 0.6, 0.7])  # medians 0.3 at 0.1 and 0.6 at 1
    bad = made([0.1, 0.2, 0.4, 0.0, 0.1, 0.9])
    text = told(bad=bad, good=good)
    assert text.startswith("Compared were 2 networks at 2 learning rates, 12 runs in all.")
    assert "The best is good, at learning rate 1: it ends at a test accuracy of 0.60." in text
    assert "The worst is bad: no learning rate takes it beyond 0.20." in text
    ratio = [float(np.median(each.first_last_ratio("delta_rms")[:, 0])) for each in (good, bad)]
    assert f"{ratio[0]:.3g} times the last layer's delta" in text


def test_a_rate_at_which_most_runs_diverged_does_not_win() -> None:
    text = told(mine=made([0.3, 0.3, 0.3, 0.9, 0.9, 0.9], gone=(3, 4)))
    assert "The best is learning rate 0.1: it ends at a test accuracy of 0.30." in text
    assert "The worst is learning rate 1: it diverged." in text
    one_of_three = told(mine=made([0.3, 0.3, 0.3, 0.9, 0.9, 0.9], gone=(3,)))
    assert "The best is learning rate 1: it ends at a test accuracy of 0.90." in one_of_three
    assert "Every run diverged." in told(mine=made([0.3] * 6, gone=tuple(range(6))))


def test_what_cannot_be_told_apart_is_not_ranked() -> None:
    text = told(mine=made([0.1, 0.1, 0.1, 0.11, 0.11, 0.11]))
    assert "All of them end alike, at a test accuracy of 0.11." in text and "worst" not in text and "best" not in text


def test_of_a_model_of_ones_own_the_loss_is_told() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with vl.GradientRecorder(model, optimizer) as recorder:
        for _ in range(3):
            optimizer.zero_grad()
            loss = model(torch.ones(5, 3)).square().mean()
            recorder.observe_loss(loss)
            loss.backward()
            optimizer.step()
    text = told(mine=recorder.record)
    assert text.startswith("Your model, 2 layers: trained at learning rate 0.1. It ends at a loss of ")
    assert f"{recorder.record.loss[0, -1]:.3g}" in text


def test_pictures_say_in_words_what_they_show() -> None:
    answer = answer_of(gather(open_sources({"good": made([0.6] * 6), "bad": made([0.1] * 6, depth=12)})))
    bars, arrives = answer.pictures
    assert "good: 0.60 (learning rate 0.1); bad: 0.10 (learning rate 0.1)" in bars.alt
    assert arrives.alt.count(";") == 1 and "bad: " in arrives.alt
    single = answer_of(gather(open_sources({"good": made([0.6] * 3 + [0.2] * 3)}))).pictures
    assert "learning rate 0.1: 0.60; learning rate 1: 0.20" in single[0].alt and "layer 1" in single[1].alt


def test_of_many_networks_some_are_drawn_and_it_is_said() -> None:
    record = made([0.5] * 6)
    records = {f"n{place}": record for place in range(20)}
    bars = answer_of(gather(open_sources(records))).pictures[0]
    assert "(12 of 20, evenly chosen)" in bars.title and bars.alt.count("learning rate") == 12
