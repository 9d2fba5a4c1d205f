"""Generates, describes and drift-checks the contract; run by the Makefile.

tools/protos.py generate FOLDER     write the Python code of protos/ below FOLDER
tools/protos.py drift FOLDER        exit 1 if FOLDER does not hold exactly that code
tools/protos.py describe FILE       write the descriptor set that buf lints
"""

from __future__ import annotations

import filecmp
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from google.rpc import code_pb2
from grpc_tools import protoc

PROTOS = sorted(Path("protos").rglob("*.proto"))
GENERATED = "spladed/v1"
# google/rpc/status.proto comes with googleapis-common-protos, google/protobuf with grpc_tools.
INCLUDES = [
    "-Iprotos",
    f"-I{Path(code_pb2.__file__).parents[2]}",
    f"-I{files('grpc_tools').joinpath('_proto')}",
]
PLUGIN = f"--plugin=protoc-gen-mypy_grpc={Path(sys.prefix, 'bin', 'protoc-gen-mypy_grpc')}"


def main(verb: str, where: str) -> int:
    if verb == "generate":
        return generate(Path(where))
    if verb == "drift":
        return drift(Path(where))
    if verb == "describe":
        return describe(Path(where))
    sys.exit(__doc__)


def generate(folder: Path) -> int:
    outs = ("python_out", "pyi_out", "grpc_python_out", "mypy_grpc_out")
    return run([f"--{out}={folder}" for out in outs])


def describe(file: Path) -> int:
    file.parent.mkdir(parents=True, exist_ok=True)
    return run(["--include_imports", "--include_source_info", f"--descriptor_set_out={file}"])


def drift(folder: Path) -> int:
    with tempfile.TemporaryDirectory() as fresh:
        generate(Path(fresh))
        made = sorted(path.name for path in Path(fresh, GENERATED).iterdir())
        kept = sorted(path.name for path in Path(folder, GENERATED).glob("*_pb2*"))
        _, differ, missing = filecmp.cmpfiles(
            Path(fresh, GENERATED), Path(folder, GENERATED), made, shallow=False
        )
    wrong = sorted({*differ, *missing, *(set(kept) - set(made))})
    if wrong:
        print(f"{folder / GENERATED} does not fit protos/: {', '.join(wrong)}; run `make protos`")
    return 1 if wrong else 0


def run(options: list[str]) -> int:
    code = protoc.main(["protoc", *INCLUDES, PLUGIN, *options, *map(str, PROTOS)])
    if code:
        sys.exit(f"protoc failed with {code}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) == 3 else __doc__)
