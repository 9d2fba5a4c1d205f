"""`SparseBatch` <-> the shapes in which other libraries and engines take sparse vectors.

>>> import numpy as np
>>> from spladed import SparseBatch
>>> batch = SparseBatch.from_rows(4, [([1, 3], [0.5, 2.0]), ([], [])])
>>> to_index_maps(batch)
[{1: 0.5, 3: 2.0}, {}]
>>> to_index_lists(batch)
[{'indices': [1, 3], 'values': [0.5, 2.0]}, {'indices': [], 'values': []}]
>>> to_token_maps(batch, ["a", "b", "c", "d"])
[{'b': 0.5, 'd': 2.0}, {}]
>>> from_index_maps(4, [{3: 2.0, 1: 0.5}]).row(0)[0].tolist()
[1, 3]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from spladed.errors import InvalidInput
from spladed.sparse import SparseBatch

if TYPE_CHECKING:
    from scipy.sparse import csr_array  # type: ignore[import-not-found]  # not a dependency

__all__ = [
    "from_index_maps",
    "from_scipy",
    "from_token_maps",
    "to_index_lists",
    "to_index_maps",
    "to_scipy",
    "to_token_maps",
]


def to_index_lists(batch: SparseBatch) -> list[dict[str, list[Any]]]:
    """Rows as {"indices": [...], "values": [...]}: Qdrant's and Pinecone's shape."""
    return [
        {"indices": indices.tolist(), "values": values.tolist()} for indices, values in batch.rows()
    ]


def to_index_maps(batch: SparseBatch) -> list[dict[int, float]]:
    """Rows as {index: weight}: Milvus' shape."""
    return [
        dict(zip(indices.tolist(), values.tolist(), strict=True))
        for indices, values in batch.rows()
    ]


def to_token_maps(batch: SparseBatch, vocabulary: Sequence[str]) -> list[dict[str, float]]:
    """Rows as {token: weight}: Elasticsearch's and OpenSearch's shape.

    vocabulary: the tokens in the order of the term ids, as `Client.vocabulary` gives them
    """
    return [
        {vocabulary[index]: weight for index, weight in row.items()} for row in to_index_maps(batch)
    ]


def to_scipy(batch: SparseBatch) -> csr_array:
    """A scipy CSR array [rows, dimension] that shares the batch's memory; needs scipy."""
    from scipy.sparse import csr_array

    shape = (len(batch), batch.dimension)
    return csr_array((batch.values, batch.indices, batch.indptr), shape=shape)


def from_scipy(matrix: Any) -> SparseBatch:
    """A batch from any scipy sparse matrix or array; raises InvalidInput as `checked` does."""
    rows = matrix.tocsr(copy=True)
    rows.sum_duplicates()
    rows.eliminate_zeros()
    return SparseBatch(
        int(rows.shape[1]),
        rows.indptr.astype(np.int64),
        rows.indices.astype(np.int32),
        rows.data.astype(np.float32),
    ).checked("matrix")


def from_index_maps(dimension: int, rows: Iterable[Mapping[int, float]]) -> SparseBatch:
    """A batch from {index: weight} rows, in any order within a row."""
    ordered = [sorted(row.items()) for row in rows]
    pairs = [([index for index, _ in row], [weight for _, weight in row]) for row in ordered]
    return SparseBatch.from_rows(dimension, pairs).checked("rows")


def from_token_maps(vocabulary: Sequence[str], rows: Iterable[Mapping[str, float]]) -> SparseBatch:
    """A batch from {token: weight} rows; raises InvalidInput for a token that is not there."""
    ids = {token: index for index, token in enumerate(vocabulary)}
    numbered: list[dict[int, float]] = []
    for number, row in enumerate(rows):
        for token in row:
            if token not in ids:
                raise InvalidInput(
                    f"rows[{number}] has the token {token!r}, which is not in the vocabulary of "
                    f"{len(ids)} tokens; take the vocabulary of the model that made the rows",
                    reason="TOKEN",
                    field=f"rows[{number}]",
                )
        numbered.append({ids[token]: weight for token, weight in row.items()})
    return from_index_maps(len(vocabulary), numbered)
