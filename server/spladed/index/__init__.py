"""Which documents score highest for this sparse query, and what did each term add?

In: `SparseBatch` rows with ids, texts and fields. Out: hits, stored rows, explanations. Knows
no model and no wire: a query is numbers, an error is of `spladed.errors`.

    the face     collection, collections (a data folder), aliases, view (what one read sees),
                 scan, values (what goes in and comes out), check and settings (what is refused)
    numbers      grid (a weight as it is stored), rows and packed, scoring, explain
    fields       fields, columns, words, filter (the language), mask and masks, bits
    segments     container (named arrays as bytes), build (documents -> sections), ahead (on
                 several threads), batch and union (where documents come from), segment
                 (sections -> documents), bounds, ids
    search       snapshot, plan (which kernel), search, hits (what they are called), answers
                 (over several threads)
    kernels/     the loops, compiled and kept; one import of numba
    writes       draft (pure), commit (SQL), line (who commits for whom), writer, payload, reached
    catalog      the durable truth; the only import of sqlite3
    upkeep       buffer, merge (pure), upkeep, builder and child (the process that builds),
                 files, pins, chunk and loader (bulk)
    reading      load (what a folder holds), follower (beside its writer)
    files        storage (the one module of file operations), folder, lock, backup
    operating    verify and what it is made of (beside, shape, sound, sound_bounds, tables),
                 describe, offline, stats

A write is one list of arrows: rows -> draft of the next snapshot -> SQLite commit (fsync) ->
publish. A flush or merge is another: segment file -> fsync -> rename -> fsync of the folder ->
SQLite commit -> publish -> old files away. A reader takes the published snapshot by reference,
and waits for no one.

On disk, format 2
=================
One folder a collection, named like it: `catalog.sqlite`, `LOCK`, and segment files. The
database has application_id "SPLD", user_version 2, journal_mode WAL, synchronous FULL.

    table        columns                               invariants
    collection   settings JSON, generation, layout,    one row; generation rises by 1 a write,
                 next_seq                              layout with each flush, merge or load; a
                                                       seq below next_seq is never given again
    segments     first_seq, last_seq, name,            the segment files; their seqs lie apart.
                 documents, fingerprint                fingerprint: the checksum of the file's
                                                       table, which follows from every byte
    batches      first_seq, last_seq, data             documents that no segment file has yet: a
                                                       container a commit, without postings
    deletes      generation, purged, data              sets of seqs: who is in one is dead,
                                                       wherever its row still lies. data is a
                                                       container of one section; purged once the
                                                       payloads are gone
    documents    seq, payload                          text and metadata, where there are any
                                                       (see payload.py)
    bundles      first_seq, bundle_id                  which bundle encoded the documents from
                                                       this seq to the next entry's

A document lives if a segment or batch has its seq and no set of deletes does. A merge leaves
dead rows behind and touches no document, so that nothing can come back.

A segment file is a container (see container.py for its bytes), and is never changed. n
documents, in windows w0, w1, ... of at most 65,536 documents and fewer than 2^29 weights. Terms
are u2 up to a dimension of 65,536, else u4; weights u2, in steps of 1/4096, or f4.

    section          type    length     what, and what holds
    meta             u1                 JSON: dimension, weight_format, scoring, fields, weights,
                                        windows (the documents of each)
    seqs             i8      n          by row
    by_seq           u4      n          the rows by rising seq
    ids              u1                 UTF-8, by row, end to end
    id_starts        i8      n + 1      where each starts
    id_hashes        u8      n          xxh3_64 of the ids, rising; an id is in a segment once
    id_rows          u4      n          the row of each hash
    fields/...                          columns of declared fields (see columns.py)
    w0/rows          u1                 packed rows (see kernels/build.py): terms rising,
                                        weights above 0, as they were stored, for ever
    w0/row_starts    u4      docs + 1   bytes from the start of w0/rows
    w0/terms         u2, u4  T          the terms that occur in the window, rising
    w0/starts        u4      T + 1      where the postings of each start
    w0/docs          u2      weights    documents of the window, rising within a term
    w0/impacts       u2, f4  weights    what each weight is worth in a score (see scoring.py):
                                        itself for dot, else float32
    frequent, w0/members, b0/...        bounds, in segments of two windows or more whose
                                        impacts are their weights (see bounds.py)

Rows are in the order of their three heaviest terms, so that neighbours are alike and bounds are
tight; equal scores rank by seq all the same. Batches, and segments in memory, are containers of
the same sections in the order of seqs. What kernels follow as an address (starts, seqs, terms)
is checked when a file is opened, the rest when it is merged, backed up, or by `verify`.

Beside the collections lies `ALIASES`, replaced whole with every change (built aside, fsync,
rename, fsync of the folder): JSON {"format": 1, "aliases": {alias: collection}, "sha256": of
the aliases as JSON with sorted keys}. An alias is no collection's name, and points at one.

Formats are not migrated: a catalog or a file of another version is refused by name.
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
