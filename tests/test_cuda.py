"""What can only be seen on a CUDA device; skipped, visibly, where there is none."""

import numpy as np
import pytest
import torch

import vanishlab as vl
from vanishlab.recording.norms import lost_fractions, slice_norms

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.mark.parametrize("normalization", ["none", "batch", "layer"])
def test_a_run_on_the_device_is_the_run_on_the_cpu(data: vl.Dataset, normalization: str) -> None:
    network = vl.NetworkConfig(5, 8, "tanh", normalization=normalization, dtype="float64")  # pyright: ignore[reportArgumentType]
    settings = {"learning_rates": (0.1, 1e9), "seeds": (0, 1), "steps": 5, "batch_size": 16, "momentum": 0.5}
    one, other = (vl.train(network, vl.TrainingConfig(**settings, device=device), data) for device in ("cpu", "cuda"))
    assert one.diverged_step.tolist() == other.diverged_step.tolist()
    for name in ("loss", "gradient_norm", "delta_rms", "activation_rms", "update_ratio"):
        # Both are float64 with sums in another order, over a handful of steps.
        np.testing.assert_allclose(getattr(other, name), getattr(one, name), rtol=1e-7, atol=1e-12)


def test_norms_are_exact_on_the_device() -> None:
    for value in (1e-40, 1e-25, 1.0, 1e19, 1e30):
        x = torch.full((3, 10_000), value, device="cuda")
        exact = 100 * x[0, 0].double().item()
        np.testing.assert_allclose(slice_norms(x, 3).cpu().numpy(), exact, rtol=1e-6)
    assert lost_fractions(torch.tensor([[0.0, 1e-40, 1.0, 2.0]], device="cuda"), 1)[1].item() == 0.25
