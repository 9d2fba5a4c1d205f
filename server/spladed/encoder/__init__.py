"""Which sparse rows do these texts have?

In: texts and their kind. Out: `SparseBatch` rows, token counts, truncation flags.
`tokenize` turns text into ids, `batch` decides (purely) which waiting rows run together,
`engine` drives onnxruntime from one thread, `encoder` is the room's face.
Knows no index and no wire.
"""
