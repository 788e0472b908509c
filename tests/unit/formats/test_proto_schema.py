"""The compiled schemas are those of the .proto files."""

import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet  # type: ignore[import-untyped]

import logboom
from logboom.formats.proto_schema import load_schema

FOLDER = Path(logboom.__file__).parent / "schemas"
NAMES = sorted(path.name for path in FOLDER.glob("*.proto"))


def test_there_are_both_layouts() -> None:
    assert NAMES == ["logservice.proto", "logservice_document.proto"]


@pytest.mark.parametrize("name", NAMES)
def test_descriptors_are_those_that_protoc_makes(name: str, tmp_path: Path) -> None:
    outcome = tmp_path / "set"
    command = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        f"-I{FOLDER}",
        f"--descriptor_set_out={outcome}",
        name,
    ]
    subprocess.run(command, check=True)
    [expected] = FileDescriptorSet.FromString(outcome.read_bytes()).file
    assert load_schema(name).file == expected


def test_services_have_full_names() -> None:
    assert load_schema("logservice.proto").services == ["logservice.LogService", "logservice.LogBridge"]
    assert load_schema("logservice_document.proto").services == ["LogService"]
