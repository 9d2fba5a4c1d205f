"""How does a Python program talk to a spladed server?

In: texts, documents, `SparseBatch` rows. Out: frozen values, or the server's own errors of
`spladed.errors`. Imports neither onnxruntime nor the index: the base install is enough.
"""
