"""Checkpoints from the Hugging Face hub: an id in, a folder and its commit out.

huggingface_hub reads HF_TOKEN, HF_ENDPOINT, HF_HOME and HF_HUB_OFFLINE, and keeps what it
loads; where the hub is not to be had, what it kept is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import huggingface_hub
from huggingface_hub import constants
from huggingface_hub import errors as hub_errors

from spladed.errors import Forbidden, NotFound, SpladedError, Unavailable
from spladed_export.files import only_pickles

__all__ = ["looks_like_hub_id", "snapshot"]

# Configuration, tokenizers and the card; no code. A star goes over slashes: the modules of a
# SparseEncoder lie in folders.
_FILES = ("*.json", "*.txt", "*.model", "README.md")
_PICKLES = "*pytorch_model*.bin"
_GRAPHS = ("model.onnx*", "onnx/model.onnx*")
_IGNORED = ("openvino/*", "checkpoint-*/*")
_LOG_IN = "log in with `hf auth login`, or set HF_TOKEN"


def looks_like_hub_id(source: str) -> bool:
    """Whether `source` has the form `name` or `owner/name`."""
    return re.fullmatch(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", source) is not None


def snapshot(name: str, revision: str | None, *, allow_pickle: bool = False) -> tuple[Path, str]:
    """The folder of the repository `name` at `revision` (default: main), and the commit.

    Pickles come along only if they are allowed, and graphs only where there are no weights.

    Raises Forbidden for a gated repository, NotFound for an unknown one or an unknown
    revision, InvalidInput for one that has nothing but pickles, Unavailable where the hub
    cannot be reached and nothing was kept.
    """
    weights = ("*.safetensors", *((_PICKLES,) if allow_pickle else ()))
    folder = _downloaded(name, revision, _FILES + weights, (*_IGNORED, "onnx/*"))
    if not _any(folder, weights):
        folder = _downloaded(name, folder.name, _GRAPHS, _IGNORED)
        if not _any(folder, ("model.onnx",)):
            _tell_why_none(name, folder.name)
    return folder, folder.name


def _any(folder: Path, patterns: tuple[str, ...]) -> bool:
    return any(any(folder.rglob(each)) for each in patterns)


def _downloaded(
    name: str, revision: str | None, files: tuple[str, ...], ignored: tuple[str, ...]
) -> Path:
    try:
        return Path(
            huggingface_hub.snapshot_download(
                name, revision=revision, allow_patterns=[*files], ignore_patterns=[*ignored]
            )
        )
    except (hub_errors.HfHubHTTPError, OSError, ValueError) as error:
        raise _translated(name, revision, error) from error


def _tell_why_none(name: str, commit: str) -> None:
    """Tells why a snapshot has neither weights nor a graph, if it is for one of two reasons."""
    try:
        listed = huggingface_hub.list_repo_files(name, revision=commit)
    except (hub_errors.HfHubHTTPError, OSError) as error:
        raise _offline(f"what was kept of {name} has no weights", type(error).__name__) from error
    pickles = [each for each in listed if fnmatch(each, _PICKLES)]
    if pickles:
        raise only_pickles(name, pickles)


def _translated(name: str, revision: str | None, error: Exception) -> SpladedError:
    page = f"https://huggingface.co/{name}"
    if isinstance(error, hub_errors.GatedRepoError):
        return Forbidden(
            f"{name} is gated: accept its terms at {page} and {_LOG_IN}",
            reason="SOURCE_GATED",
            field="source",
        )
    if isinstance(error, hub_errors.RevisionNotFoundError):
        return NotFound(
            f"{name} has no revision {revision!r}", reason="SOURCE_REVISION", field="revision"
        )
    if isinstance(error, hub_errors.RepositoryNotFoundError | hub_errors.HFValidationError):
        return NotFound(
            f"{name!r} is no folder here, and the hub knows no model of this name (for a private "
            f"one {_LOG_IN})",
            reason="SOURCE_NOT_FOUND",
            field="source",
        )
    status = next(_statuses(error), None)
    if status in (401, 403):
        return Forbidden(
            f"the hub refuses {name} ({status}): see {page} and {_LOG_IN}",
            reason="SOURCE_GATED",
            field="source",
        )
    what = f"{name!r} is no folder here, nothing of it at {revision or 'main'} was kept"
    return _offline(what, f"it answers {status}" if status else type(error).__name__)


def _statuses(error: BaseException | None) -> Iterator[int]:
    """HTTP statuses among the causes: snapshot_download wraps what it cannot get around."""
    while error is not None:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status is not None:
            yield status
        error = error.__cause__


def _offline(what: str, why: str) -> Unavailable:
    if constants.HF_HUB_OFFLINE:
        reason = "HF_HUB_OFFLINE keeps this process from the hub; unset it"
    else:
        reason = f"the hub cannot be reached ({why}); try again"
    return Unavailable(
        f"{what} in {constants.HF_HUB_CACHE}, and {reason}, bring the cache of a machine that "
        "loaded it, or give a folder",
        reason="SOURCE_OFFLINE",
        field="source",
    )
