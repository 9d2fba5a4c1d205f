"""`python -m spladed_export.builtin` remakes the bundle that ships inside the server.

From models/spladed-tiny-en to server/spladed/builtin, int8. The same versions of torch,
optimum-onnx, onnx and onnxruntime on the same kind of CPU make the same bytes.
"""

from __future__ import annotations

from pathlib import Path

from spladed.bundle import BUILTIN
from spladed_export.export import export

__all__ = ["main"]

_REPOSITORY = Path(__file__).parents[2]
_MODEL = "models/spladed-tiny-en"


def main() -> None:
    """Exports the repository's own model; prints each step."""
    out = _REPOSITORY / "server" / "spladed" / BUILTIN
    bundle = export(_REPOSITORY / _MODEL, out, precision="int8", force=True, progress=print)
    print(f"{out.relative_to(_REPOSITORY)}: {bundle.manifest.bundle_id}")


if __name__ == "__main__":
    main()
