"""Which sparse rows does this file hold, whoever wrote it? Files in, chunks out, and back.

In: a file in one of six formats. Out: a `VectorFile`, whose chunks (ids, a `SparseBatch`,
documents where the format has them) come one after the other in bounded memory: rows sorted,
without zeros, within the dimension; a bad row is named by file and line or record.

    chunk       the values: Chunk, Options, VectorFile
    checked     rows as files have them -> SparseBatch (pure)
    files       what cannot be read is named, what is written appears whole
    ids         ids of rows that have only numbers
    vocabulary  tokens -> term ids
    document    text, metadata and fields out of what a file says (pure)
    spool       what does not fit memory, in temporary files
    csr         Big-ANN's .csr
    npz         scipy's save_npz
    parquet     the layout of our own jobs; the only import of pyarrow
    jsonl       a JSON object a line, terms by number
    anserini    a JSON object a line, terms by token
    lines       what both formats of JSON lines share
    ciff        the Common Index File Format, in
    ciff_write  and out
    ciff_wire   its messages as bytes (pure)
    open        a file by its format or extension; the room's face

              ids   documents                total known   terms
    parquet   yes   text, metadata, fields   yes           numbers
    npz       no    no                       yes           numbers
    jsonl     yes   text, metadata, fields   no            numbers
    anserini  yes   text ("contents")        no            tokens
    csr       no    no                       yes           numbers
    ciff      yes   no                       yes           tokens

It may import the rest of `jobs`, the index, the encoder's vocabulary and the foundation.
"""

from spladed.jobs.vectors.chunk import Chunk, Format, Options, Skipped, VectorFile
from spladed.jobs.vectors.open import FORMATS, format_of, open_vectors, write_vectors

__all__ = [
    "FORMATS",
    "Chunk",
    "Format",
    "Options",
    "Skipped",
    "VectorFile",
    "format_of",
    "open_vectors",
    "write_vectors",
]
