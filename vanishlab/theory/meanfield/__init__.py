"""Mean-field theory of infinitely deep networks: fixed points, chi, depth scales, the critical line.

`length` is the map of variances and `correlation` that of correlations, each with where it settles; `fixed_points` puts
them together, `critical` is the line between order and chaos, `roots` finds zeros.
"""
