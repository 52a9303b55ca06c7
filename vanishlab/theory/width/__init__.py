"""Corrections of finite width to the theory of an infinite one: means and spreads over seeds.

`finite_width` brings it together: `spread` (layer by layer), `contrast` (between examples), `feedback` (from the output
back to the weights).
"""
