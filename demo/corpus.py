"""A real corpus that needs no download and no licence: the docstrings on this machine.

Every function, method and class of the Python installation and of the installed packages
that explains itself in at least eight words, read with `ast` (nothing is imported).
"""

from __future__ import annotations

import ast
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

from spladed.client.values import Document

__all__ = ["docstrings"]

_LEAST_WORDS = 8
_MOST_WORDS = 60
_SKIPPED = {"test", "tests", "idlelib", "lib2to3", "turtledemo", "pip", "_vendor", "ensurepip"}


def docstrings(most: int) -> Iterator[Document]:
    """At most `most` documents, the standard library's first; ids are dotted names.

    What was said or named before is passed over.
    """
    seen: set[str] = set()  # ids and texts
    for root in (Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"))):
        for document in _below_root(root):
            if len(seen) == 2 * most:
                return
            if seen.isdisjoint((document.id, document.text)):
                seen.update((document.id, document.text))
                yield document


def _below_root(root: Path) -> Iterator[Document]:
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if _SKIPPED.isdisjoint(parts) and "site-packages" not in parts:
            yield from _documents(path, ".".join(parts).removesuffix(".__init__"))


def _documents(path: Path, module: str) -> Iterator[Document]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # other people's invalid escapes are not our news
            tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):  # templates and fixtures that are no Python
        return
    yield from _below(tree, module)


def _below(node: ast.AST, name: str) -> Iterator[Document]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            below = f"{name}.{child.name}"
            words = (ast.get_docstring(child) or "").split()
            if len(words) >= _LEAST_WORDS:
                yield Document(below, " ".join(words[:_MOST_WORDS]))
            yield from _below(child, below)
