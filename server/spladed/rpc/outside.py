"""What callers may read of an error: where the server keeps its files is not for them.

The rooms name paths in full, for the operator, whom the log tells.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from spladed.errors import InvalidInput, SpladedError

__all__ = ["redaction"]

# Whatever else looks like an absolute path (an interpreter's, a temporary file's) keeps its
# last part. Not behind a letter or a dot: "tokens/s" and "a/b" are no paths.
_FOLDERS = re.compile(r"(?<![\w./])/(?:[^\s/'\":;,()]+/)+")


def redaction(folders: Iterable[str]) -> Callable[[SpladedError], str]:
    """What is said outside of an error of a server with these folders.

    A folder itself becomes its name, what is in it a path from there. InvalidInput passes as it
    is, for its words are about the caller's values.
    """
    given = [Path(folder) for folder in folders if folder]
    paths = {path for each in given for path in (each, each.resolve()) if path.is_absolute()}
    named = {str(path): path.name for path in paths if path.name}
    longest_first = sorted(named, key=len, reverse=True)

    def said(error: SpladedError) -> str:
        message = error.message
        if isinstance(error, InvalidInput):
            return message
        for path in longest_first:
            message = message.replace(path, named[path])
        return _FOLDERS.sub("", message)

    return said
