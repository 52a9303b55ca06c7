"""The reasons why something was not measured: the sentences of `Record.unmeasured`, as constants to compare with.

What stands for a layer is one sentence: of the first group where it has no gradient at all, else of the second. Files
hold them as they are, so whoever asks for a reason compares with `==`, and a sentence that is in files already is not
reworded. No torch here.
"""

# No gradient came to the weight, and how that was.
FROZEN = "the weight is frozen"
UNUSED = "no gradient: the module was not called"
DETACHED = "no gradient: the module was called, but its output does not reach the loss"
NO_AUTOGRAD = "no gradient: the module was called without autograd (no_grad or inference_mode)"
NOT_ACCUMULATED = "no gradient: the backward pass left nothing in .grad (torch.autograd.grad, or taken away again)"
FUNCTIONAL = "no gradient: the module ran inside torch.func, which returns gradients instead of leaving them in .grad"
REPLACED = "no gradient: the parameter or its module was replaced, or taken out of the model, while it was recorded"
THREADS = "no gradient: several threads called the model, or ran backward passes, in the same step"
NO_GRADIENTS = FROZEN, UNUSED, DETACHED, NO_AUTOGRAD, NOT_ACCUMULATED, FUNCTIONAL, REPLACED, THREADS
"""The reasons for a layer without a gradient; any other reason concerns delta or the activation alone."""

# The weight has a gradient, but delta or the activation could not be had.
NO_DELTA = "no delta: "
NOT_CALLED = NO_DELTA + "its forward was not called (the weight is used directly, or torch.compile has taken it over)"
COMPILED = NO_DELTA + "it runs inside torch.compile, where hooks on its output do not fire"
NOT_REACHED = NO_DELTA + "no gradient came back to its output"
IN_TORCH_FUNC = NO_DELTA + "it ran inside torch.func"
NO_OUTPUT = NO_DELTA + "its output holds no tensor"
EMPTY = NO_DELTA + "its output has no entries (a batch without examples)"
OWN_PARAMETER = NO_DELTA + "a parameter of its own, not of a layer"
PACKED = NO_DELTA + "a packed sequence cannot be recomputed step by step"
DROPOUT = NO_DELTA + "dropout between recurrent layers cannot be drawn again"
PROJECTED = NO_DELTA + "an LSTM with proj_size cannot be recomputed step by step"
SHARDED = NO_DELTA + "its weights are sharded, and a fused recurrent layer is recomputed from whole ones"
CHANGED = NO_DELTA + "its input or weights were changed in place before the backward pass had ended"
NO_ACTIVATION = "no activation: a fused kernel keeps it to itself"

# Not looked at.
SCRIPTED = "TorchScript, which calls no hook of the modules inside it"
NOT_A_LAYER = "not a layer's weight matrix; it is measured when `layers` names it"


def strange_output(kind: str) -> str:
    """Return the reason for a module whose output is no ordinary tensor of real numbers."""
    return f"{NO_DELTA}its output is a {kind}"
