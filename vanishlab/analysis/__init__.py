"""The verdict: what the lab concludes from a record or a model, with its evidence, and remedies that are measured.

`diagnosis` is the answer and `examine` asks it of a model; `verdict` is one finding and the table of them all,
`evidence` what it rests on, `rules/` when it holds, and `remedies/` what to do about it. `watcher` asks it while a
model trains, `onset` when an illness began; `clipping` proposes a threshold.
"""
