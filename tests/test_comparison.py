"""The helpers that compare must themselves be able to fail."""

import dataclasses

import numpy as np
import pytest
import torch
from comparison import assert_close, assert_equal_records, assert_same_bits

import vanishlab as vl


def test_assert_close_notices_one_entry_that_is_off() -> None:
    assert_close([1.0, 1.0 + 1e-12], [1.0, 1.0], 1e-10)
    with pytest.raises(AssertionError):
        assert_close([1.0, 1.0 + 2e-10], [1.0, 1.0], 1e-10)
    with pytest.raises(AssertionError):
        assert_close([1.0, np.nan], [1.0, 1.0], 1e-10)
    with pytest.raises(AssertionError):
        assert_close([1.0, 1e-11], [1.0, 0.0], 1e-10)


def test_assert_same_bits_notices_the_last_bit() -> None:
    one = torch.ones(3)
    assert_same_bits({"w": one}, {"w": one.clone()})
    for other in (torch.nextafter(one, 2 * one), torch.tensor([1.0, 1.0, torch.nan]), one.double(), torch.ones(4)):
        with pytest.raises(AssertionError):
            assert_same_bits({"w": other}, {"w": one})


def test_assert_equal_records_notices_the_last_bit(data: vl.Dataset) -> None:
    record = vl.train(vl.NetworkConfig(depth=1, width=2), vl.TrainingConfig(steps=1), data)
    assert_equal_records(record, dataclasses.replace(record, loss=record.loss.copy()))
    for changed in (
        dataclasses.replace(record, loss=np.nextafter(record.loss, 2)),
        dataclasses.replace(record, loss=record.loss + np.nan),
        dataclasses.replace(record, environment={}),
    ):
        with pytest.raises(AssertionError):
            assert_equal_records(changed, record)
