"""Variances and covariances of all pairs of examples, layer by layer.

`first_layer` starts from the data, `covariances` goes forwards and backwards, `output_errors` is what the loss sends
back.
"""
