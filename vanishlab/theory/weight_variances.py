"""Variance of weights and biases per layer of a named initialisation: Var W = sigma_w^2 / fan_in, Var b = sigma_b^2."""

from vanishlab.config import NetworkConfig

UNIFORM = ("torch_default", "xavier_uniform", "kaiming_uniform")


def layer_scales(network: NetworkConfig, fan_in: int, fan_out: int) -> tuple[float, float]:
    """Return (sigma_w^2, sigma_b^2) of a layer.

        torch_default  1/3, 1/(3 fan_in)         both uniform within 1/sqrt(fan_in), as nn.Linear
        xavier         2 fan_in / (fan_in + fan_out)
        kaiming        gain^2
        lecun_normal   1
        gaussian       sigma_w^2, sigma_b^2
        orthogonal     sigma_w^2 fan_in / max(fan_in, fan_out), sigma_b^2

    A non-square orthogonal W has orthonormal rows where it narrows (fan_out < fan_in), and its entries have the
    variance of a Gaussian's; where it widens, its *columns* are orthonormal, so that ||W h|| = sigma_w ||h|| and the
    variance per output unit falls to sigma_w^2 / fan_out.

    >>> layer_scales(NetworkConfig(activation="tanh", initialization="xavier_normal"), fan_in=30, fan_out=10)
    (1.5, 0.0)
    """
    match network.initialization:
        case "torch_default":
            return 1.0 / 3.0, 1.0 / (3.0 * fan_in)
        case "xavier_uniform" | "xavier_normal":
            return 2.0 * fan_in / (fan_in + fan_out), 0.0
        case "kaiming_uniform" | "kaiming_normal" | "lecun_normal" | "gaussian":
            return network.gain**2, network.sigma_b**2
        case "orthogonal":
            return network.gain**2 * fan_in / max(fan_in, fan_out), network.sigma_b**2
