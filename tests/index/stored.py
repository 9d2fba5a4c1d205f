"""Everything that a collection holds, to compare with what was written."""

from __future__ import annotations

from collections.abc import Iterable

from spladed.index import Collection

from .oracle import Row, batch, brute_force, hits, rows_of

__all__ = ["Content", "check_searches", "content_of"]

# id -> (text, row), in the order of acceptance.
Content = dict[str, tuple[str, Row]]


def content_of(collection: Collection) -> Content:
    """All documents, as scan gives them."""
    scan = collection.scan(with_vectors=True)
    content: Content = {}
    try:
        while (page := scan.page(max_documents=10_000, max_bytes=1 << 30)).documents:
            for document, row in zip(page.documents, rows_of(page.vectors), strict=True):
                assert document.id not in content, f"{document.id} came twice"
                content[document.id] = (document.text, row)
    finally:
        scan.close()
    return content


def check_searches(collection: Collection, content: Content, queries: Iterable[Row]) -> None:
    """Search gives what brute force over the content gives, scores and order."""
    rows = [(id, row) for id, (_, row) in content.items()]
    for query in queries:
        found = hits(collection, batch(collection.settings.dimension, query), 20)
        assert found == brute_force(rows, query, 20), f"search for {query}"
