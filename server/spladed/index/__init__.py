"""Which documents score highest for this sparse query, and what did each term add?

In: `SparseBatch` rows with ids, text and metadata that nobody here reads. Out: hits, stored
rows, explanations. Knows no model and no wire: a query is numbers, an error is of
`spladed.errors`.

    values       what goes in and comes out, frozen
    check        which documents, ids and k are refused
    grid         a weight as it is stored (pure)
    rows         stored rows, CSR
    kernels      the loops, compiled; the only import of numba
    segment      rows that never change, forward and inverted
    merge        which segments become one (pure)
    snapshot     what a reader sees: segments and which of their rows are dead
    search       the k best of a snapshot
    explain      the terms of one score
    view         what one read sees
    filter       which ids are kept (pure)
    scan         one pass in the order of writing
    reached      who waits for which generation
    blob         a batch of rows as bytes
    catalog      the durable truth; the only import of sqlite3
    load         the snapshot that the catalog holds
    commit       what one write changes, and the SQL of it
    lock         one process a folder
    folder       folders that appear and vanish whole
    aliases      second names of collections
    collection   the room's face: data, fsync, publish
    collections  a data folder of many

A write is one list of arrows: rows -> next snapshot in memory -> SQLite commit (fsync) ->
publish. A reader takes the published snapshot by reference, and waits for no one.

On disk, format 1
=================
One folder a collection, named like it, with `catalog.sqlite` and `LOCK`. The database has
application_id "SPLD", user_version 1, journal_mode WAL, synchronous FULL.

    table        columns                               invariants
    collection   settings JSON, generation, next_seq   one row; generation rises by 1 a write;
                                                       next_seq only rises: no seq is used twice
    documents    seq, id, text, metadata               one row a live document; id unique
    batches      first_seq, rows, live, bundle_id      rows are those in its vectors, live those
                                                       of them in documents; live > 0, and
                                                       live * 2 >= rows (else rewritten, in the
                                                       same transaction as the write)
    vectors      first_seq, sha256, rows               one blob a batch; all seqs from first_seq
                                                       to below the next batch's first_seq

A blob, little endian, lengths from its header: 4 bytes "SPB1", 4 bytes zero, int64 rows,
int64 nnz, int64 seqs[rows] (rising), int64 indptr[rows + 1], int32 indices[nnz], then
weights[nnz], uint16 in steps of 1/4096 (fixed16) or float32. Every blob's sha256 is checked
when the collection is opened; text and metadata have only SQLite's own checks.

Beside the collections lies `ALIASES`, replaced whole with every change (built aside, fsync,
rename, fsync of the folder): JSON {"format": 1, "aliases": {alias: collection}, "sha256": of
the aliases as JSON with sorted keys}. An alias is no collection's name, and points at one.

This is the first format. It is replaced by segment files, and is not migrated: a catalog of
any other version, and a file that is no catalog, is refused by name.
"""

from spladed.index.collection import Collection
from spladed.index.collections import Collections
from spladed.index.upkeep import Upkeep
from spladed.index.values import (
    CollectionSettings,
    Compacted,
    Contribution,
    Document,
    Explanation,
    Field,
    Found,
    Hit,
    Scoring,
    Stats,
    WeightFormat,
)

__all__ = [
    "Collection",
    "CollectionSettings",
    "Collections",
    "Compacted",
    "Contribution",
    "Document",
    "Explanation",
    "Field",
    "Found",
    "Hit",
    "Scoring",
    "Stats",
    "Upkeep",
    "WeightFormat",
]
