"""The .proto files are usable as they are, from any language."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.rpc import status_pb2

from spladed.v1 import admin_pb2, encoder_pb2, index_pb2, sparse_pb2

ROOT = Path(__file__).parents[2]
PROTOS = ROOT / "protos"
GOOGLE = Path(status_pb2.__file__).parents[2]  # googleapis-common-protos carries the files
FILES = sorted(str(file.relative_to(PROTOS)) for file in PROTOS.rglob("*.proto"))


def protoc() -> list[str]:
    """A plain protoc that knows google/protobuf: that of `make check`, else the path's."""
    python = ROOT / ".venv-protos/bin/python"
    if python.exists():
        code = "import grpc_tools; print(grpc_tools.__path__[0])"
        where = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
        return [str(python), "-m", "grpc_tools.protoc", f"-I{where.stdout.strip()}/_proto"]
    if found := shutil.which("protoc"):
        return [found]
    pytest.skip("neither .venv-protos, which `make check` makes, nor a protoc on the path")


def described(tmp_path: Path, files: list[str]) -> dict[str, FileDescriptorProto]:
    """These files as protoc reads them with two includes: ours and google/rpc."""
    out = tmp_path / "set.binpb"
    options = [f"-I{PROTOS}", f"-I{GOOGLE}", f"--descriptor_set_out={out}"]
    subprocess.run([*protoc(), *options, *files], check=True)
    return {file.name: file for file in FileDescriptorSet.FromString(out.read_bytes()).file}


def test_every_file_compiles_with_plain_protoc(tmp_path: Path) -> None:
    assert sorted(described(tmp_path, FILES)) == FILES


def test_every_file_names_its_package_in_go_and_java() -> None:
    modules = (admin_pb2, encoder_pb2, index_pb2, sparse_pb2)
    assert [module.DESCRIPTOR.name for module in modules] == FILES
    for module in modules:
        options = module.DESCRIPTOR.GetOptions()
        assert options.go_package == "github.com/spladed/spladed/gen/go/spladed/v1;spladedv1"
        assert options.java_package == "io.spladed.v1"
        assert options.java_multiple_files
    outer = [module.DESCRIPTOR.GetOptions().java_outer_classname for module in modules]
    assert outer == ["AdminProto", "EncoderProto", "IndexProto", "SparseProto"]
