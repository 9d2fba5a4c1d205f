"""Which sparse rows do these texts have?

In: texts and their kind. Out: `SparseBatch` rows, token counts, truncation flags.
`tokenize` turns text into ids, `batch` decides (purely) which waiting rows run together,
`engine` drives onnxruntime and answers callers, `encoder` is the room's face; `tune` finds the
setup that is fastest on a machine.
Knows no index and no wire.
"""
