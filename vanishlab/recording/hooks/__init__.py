"""The recorder's hooks: on modules, parameters, backward passes and optimizers, and on what hides what it computes.

`find_layers` says which layers there are, `batched_norms` measures them; `replaced` looks for what has been put in
another's place, `one_thread` keeps threads apart.
"""
