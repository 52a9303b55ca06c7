"""Theory with batch normalisation, where examples of a batch depend on each other.

`explosion_rate` is the rate at which gradients explode with depth; `sampled_units`, `covariances` and `levels` are the
recursion on a batch of data.
"""
