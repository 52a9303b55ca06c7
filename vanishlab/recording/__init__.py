"""The record of what is measured, and the recorder that fills it on any `nn.Module`.

`record` and `recorder` are the two faces, `quantities` and `facts` what a record holds, `record_files` keep it;
`layer`, `site` and `call` are what is known of one layer, `measure` is how it is measured (by torch's `norms`,
`many_norms`, `alike` and `saturation`, or `compiled`); `step_values` and `recorded_steps` turn steps into a record,
`reasons` say why something is unmeasured, `over_seeds`, `examples` and `layer_groups` summarise; `hooks/` is how it
sees.
"""
