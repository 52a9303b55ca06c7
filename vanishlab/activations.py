r"""The activation functions phi by name: gain, and where each one stops passing the gradient on.

`gain` is what `kaiming_*` initialisation multiplies 1 / sqrt(fan_in) by. It is torch's recommended value
(`torch.nn.init.calculate_gain`) where torch has one, else He's rule of a preserved second moment,
1 / sqrt(E[phi(x)^2]) with x ~ N(0, 1) [1].

*Saturated* means that phi's slope has fallen below 1 % of its largest slope. As phi's input grows (or falls) this
happens once and for good, so it is kept as two bounds on phi's input. Worked out by hand:

    sigmoid   s(1 - s) = 1/400                       |u| > 5.9864        elu, selu   e^u = 1/100     u < -4.6052
    tanh      1 - tanh^2 = 1/100                     |u| > 2.9932        softplus    s(u) = 1/100    u < -4.5951
    erf       e^(-u^2) = 1/100                       |u| > 2.1460        gelu        lower tail      u < -3.0217
    softsign  1 / (1 + |u|)^2 = 1/100                |u| > 9             silu        lower tail      u < -6.1429
    hardtanh  slope 0                                |u| > 1             linear, leaky_relu          never

A ReLU passes nothing for half of a healthy net's inputs, so for it a *unit* is counted, as dead, when its input is
not positive for any example of the batch.

[1] He et al., 2015, arXiv:1502.01852.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Activation:
    """What the lab knows of one activation function without evaluating it."""

    name: str
    gain: float
    saturated_below: float = -math.inf
    saturated_above: float = math.inf
    can_die: bool = False  # whole units go silent, so units are counted instead of entries


_TABLE = (
    Activation("linear", 1.0),
    Activation("sigmoid", 1.0, -5.986445692252762, 5.986445692252762),
    Activation("tanh", 5.0 / 3.0, -2.993222846126381, 2.993222846126381),
    Activation("relu", math.sqrt(2.0), can_die=True),
    Activation("leaky_relu", math.sqrt(2.0 / (1.0 + 0.01**2))),
    Activation("elu", 1.2451983007007066, saturated_below=math.log(0.01)),
    Activation("selu", 0.75, saturated_below=math.log(0.01)),
    Activation("gelu", 1.5335304411955348, saturated_below=-3.021662634098404),
    Activation("silu", 1.6765324703310913, saturated_below=-6.142915700195623),
    Activation("softplus", 1.0418668355353016, saturated_below=-math.log(99.0)),
    Activation("softsign", 2.3375333631085393, -9.0, 9.0),
    Activation("hardtanh", 1.3920361404483095, -1.0, 1.0),
    Activation("erf", 1.4671669504891385, -math.sqrt(math.log(100.0)), math.sqrt(math.log(100.0))),
)
ACTIVATIONS: dict[str, Activation] = {activation.name: activation for activation in _TABLE}
