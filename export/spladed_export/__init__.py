"""What does a checkpoint compute, as one graph? A checkpoint in, a bundle out.

Four steps: `onnx_export` (optimum turns the checkpoint into a masked-LM graph), `graft`
(the fused sparse head replaces its end), `lower` (precision and target), `verify` (no
bundle without its report). The only room that needs torch and transformers; it knows
`spladed.bundle` and, to open what it has written, `spladed.encoder`.
"""
