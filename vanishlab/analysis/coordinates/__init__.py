"""The coordinate check: how activations, delta and updates scale with a network's width or depth.

`check` trains networks of several sizes for a few steps, `slopes` fits the exponents, `expected` is what theory says of
them, and `scaling` the answer: a verdict and its table.
"""
