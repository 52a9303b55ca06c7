"""The lab's own networks, and a closer look at one.

`mlp` is the stack of multilayer perceptrons, `initialization` draws its weights, `activation_modules` are phi in torch,
`losses` its losses; `layer_by_layer` walks through one, for `deltas` (per example), `octaves` (how large the entries
are), `jacobian` (singular values) and `curvature` (sharpness).
"""
