"""Expectations of phi and phi' under Gaussians, which all of the theory is made of.

`expectations` is what the rest asks; it takes closed forms where there are some (`closed_forms`, `clipped`,
`unit_moments`), else quadrature (`quadrature`), and `tables` for the many pairs of examples.
"""
