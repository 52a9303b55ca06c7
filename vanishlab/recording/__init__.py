"""The record of what is measured, and the recorder that fills it on any `nn.Module`.

`record` and `recorder` are the two faces, `quantities` and `facts` what a record holds, `record_files` keep it;
`layer`, `site` and `call` measure one layer, `recorded_steps` turns steps into a record, `reasons` say why something is
unmeasured, `over_seeds`, `examples` and `layer_groups` summarise; `hooks/` is how it sees.
"""
