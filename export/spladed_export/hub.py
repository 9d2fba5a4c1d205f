"""Checkpoints from the Hugging Face hub: an id in, a folder and its commit out."""

from __future__ import annotations

import re
from pathlib import Path

import huggingface_hub
from huggingface_hub import errors as hub_errors

from spladed.errors import Forbidden, NotFound, SpladedError, Unavailable

__all__ = ["looks_like_hub_id", "snapshot"]

# Weights as safetensors, configuration, tokenizers and the card; no pickles, no code.
_FILES = ["*.safetensors", "*.json", "*.txt", "*.model", "README.md"]
_IGNORED = ["onnx/*", "openvino/*", "checkpoint-*/*"]


def looks_like_hub_id(source: str) -> bool:
    """Whether `source` has the form `name` or `owner/name`."""
    return re.fullmatch(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", source) is not None


def snapshot(name: str, revision: str | None) -> tuple[Path, str]:
    """The folder of the repository `name` at `revision` (default: main), and the commit.

    Raises Forbidden for a gated repository, NotFound for an unknown one or an unknown
    revision, Unavailable where the hub cannot be reached.
    """
    try:
        path = huggingface_hub.snapshot_download(
            name, revision=revision, allow_patterns=_FILES, ignore_patterns=_IGNORED
        )
    except (hub_errors.HfHubHTTPError, OSError, ValueError) as error:
        raise _translated(name, revision, error) from error
    return Path(path), Path(path).name


def _translated(name: str, revision: str | None, error: Exception) -> SpladedError:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, hub_errors.GatedRepoError):
        return Forbidden(
            f"{name} is gated: accept its terms at https://huggingface.co/{name} and log in "
            "with `hf auth login`",
            reason="SOURCE_GATED",
            field="source",
        )
    if isinstance(error, hub_errors.RevisionNotFoundError):
        return NotFound(
            f"{name} has no revision {revision!r}", reason="SOURCE_REVISION", field="revision"
        )
    if isinstance(error, hub_errors.RepositoryNotFoundError | hub_errors.HFValidationError):
        return NotFound(
            f"{name!r} is no folder here, and the hub knows no model of this name (a private "
            "one needs `hf auth login`)",
            reason="SOURCE_NOT_FOUND",
            field="source",
        )
    if status in (401, 403):
        return Forbidden(
            f"the hub refuses {name} ({status}): see https://huggingface.co/{name} and log in "
            "with `hf auth login`",
            reason="SOURCE_GATED",
            field="source",
        )
    return Unavailable(
        f"{name!r} is no folder here, and the hub cannot be reached ({type(error).__name__}); "
        "try again, or give a folder",
        reason="SOURCE_OFFLINE",
        field="source",
    )
