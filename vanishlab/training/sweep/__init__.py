"""Sweeps: grids of networks, cut into stacks of runs, trained wherever there is room, kept on disk run by run.

`grid` says which networks; `chunks` groups and cuts them; `memory` knows what a chunk costs; `store` keeps finished
chunks; `locks` keeps two processes off the same one; `worker` is what a worker does; `pool` the workers of this
machine; `running` brings it together as `sweep`; `saved` opens the folder again as `load_sweep`.
"""
