"""The only importer of onnxruntime: a graph on disk becomes a function of token ids.

onnxruntime comes in three wheels that overwrite each other's files, so exactly one may be
installed; and it falls back to the CPU with only a log line when a provider cannot be
made, so the session's own list is compared with what was asked for.
"""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from spladed.errors import Corrupt, Mismatch
from spladed.sparse import SparseBatch

__all__ = ["Session", "available_threads", "onnxruntime_version"]

_WHEELS = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino")
_OUTPUTS = ["indptr", "indices", "values"]

# How onnxruntime says that memory is short; it has no class for it. The arena, the C++
# library, and CUDA.
_MEMORY_WORDS = ("Failed to allocate memory", "bad_alloc", "bad allocation", "out of memory")


class Session:
    """A bundle's graph, loaded; `run` may be called from several threads.

    threads:  that share the work of the runs, the callers of `run` not counted but for one;
              0 takes the cores
    spinning: whether idle ones burn their core instead of sleeping

    Raises Mismatch for a broken set of wheels or a device that is not there, Corrupt for
    a graph that onnxruntime cannot load or whose outputs are not CSR.
    """

    def __init__(
        self,
        graph: Path,
        *,
        dimension: int,
        device: str = "cpu",
        threads: int = 0,
        spinning: bool = False,
    ) -> None:
        _check_wheels()
        self.dimension = dimension
        self.threads = threads or available_threads()
        self._session = _open(graph, _provider(device), self.threads, spinning)
        self._wants_types = "token_type_ids" in {node.name for node in self._session.get_inputs()}
        found = [node.name for node in self._session.get_outputs()]
        if found != _OUTPUTS:
            raise Corrupt(
                f"{graph} has outputs {found}; a bundle's graph has {_OUTPUTS}; export it again",
                reason="BUNDLE_GRAPH",
                field=str(graph),
            )

    def run(
        self, input_ids: npt.NDArray[np.int64], attention_mask: npt.NDArray[np.int64]
    ) -> SparseBatch:
        """One row for each row of `input_ids` [B, S]; `attention_mask` [B, S] is 1 on text.

        B and S are at least 1 (the graph refuses empty shapes). Raises MemoryError where the
        memory does not suffice; a smaller batch may fit.
        """
        feed = {"input_ids": input_ids, "attention_mask": attention_mask}
        if self._wants_types:
            feed["token_type_ids"] = np.zeros_like(input_ids)
        try:
            outputs = cast("list[npt.NDArray[np.generic]]", self._session.run(_OUTPUTS, feed))
        except Exception as error:  # of a dozen unrelated classes
            if any(words in str(error) for words in _MEMORY_WORDS):
                raise MemoryError(f"onnxruntime: {error}") from error
            raise
        return SparseBatch(self.dimension, *outputs)  # type: ignore[arg-type]  # dtypes are the graph's


def available_threads() -> int:
    """Cores this process may run on, which in a container is fewer than the machine's."""
    return len(os.sched_getaffinity(0))


def onnxruntime_version() -> str:
    """The version that runs the graphs."""
    return ort.__version__


def _open(graph: Path, provider: str, threads: int, spinning: bool) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
    # The arena stays on: over 240 batches of mixed shapes it held 60 MB, where the C
    # allocator peaked at 122 (its large blocks fragment), at the same CPU time. But without
    # memory patterns, which ask it for one block a run, of another size for each shape: over
    # 2,853 batches of 257 shapes it ended at 86 MB without and 101 with them, over 5,613 of
    # 281 at 90 and 101, at the same CPU time. An arena that grows by what is asked for ended
    # at 156, and at 157 where it also gave back every 16 runs.
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    try:
        session = ort.InferenceSession(str(graph), options, providers=[provider])
    except Exception as error:  # onnxruntime raises a dozen unrelated classes here
        raise Corrupt(
            f"{graph} cannot be loaded by onnxruntime {ort.__version__}: {error}",
            reason="BUNDLE_GRAPH",
            field=str(graph),
        ) from error
    if session.get_providers()[0] != provider:
        raise Mismatch(
            f"asked for {provider}, onnxruntime fell back to {session.get_providers()}; "
            "see its log above for the library that is missing",
            reason="DEVICE_NOT_AVAILABLE",
            field="device",
        )
    return session


def _provider(device: str) -> str:
    if device == "cpu":
        return "CPUExecutionProvider"
    raise Mismatch(
        f"device is {device!r}; this version of spladed runs on 'cpu'",
        reason="DEVICE_NOT_AVAILABLE",
        field="device",
    )


def _check_wheels() -> None:
    found = [name for name in _WHEELS if _is_installed(name)]
    if len(found) != 1:
        raise Mismatch(
            f"expected exactly one onnxruntime wheel, found {found or 'none'}; they overwrite "
            f"each other's files: pip uninstall -y {' '.join(_WHEELS)}, then install one of "
            "spladed[cpu], spladed[gpu], spladed[openvino]",
            reason="ONNXRUNTIME_WHEELS",
        )


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
