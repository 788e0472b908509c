"""Message classes of the package's gRPC schemas, made of descriptors that protoc has compiled.

`make schemas` writes the descriptors after a change of a `.proto` file; a test compares them with protoc's.
"""

from functools import cache
from importlib import resources
from pathlib import PurePath
from typing import Any, NamedTuple

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet  # type: ignore[import-untyped]
from google.protobuf.descriptor_pool import DescriptorPool  # type: ignore[import-untyped]
from google.protobuf.message_factory import GetMessageClass  # type: ignore[import-untyped]


class Schema(NamedTuple):
    """A loaded file. Message classes are made by protobuf, and have no static types."""

    file: FileDescriptorProto
    messages: dict[str, Any]
    """Message classes by name without package."""

    @property
    def services(self) -> list[str]:
        """Full names of the services."""
        return [_qualified(self.file.package, service.name) for service in self.file.service]


@cache
def load_schema(name: str) -> Schema:
    """Load one of the package's schemas, such as `logservice.proto`, into a separate pool.

    The default pool belongs to the whole process, and may contain a copy of the same file.
    """
    data = resources.files("logboom.schemas").joinpath(PurePath(name).with_suffix(".pb").name).read_bytes()
    [file] = FileDescriptorSet.FromString(data).file
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    find = pool.FindMessageTypeByName
    names = [message.name for message in file.message_type]
    return Schema(file, {one: GetMessageClass(find(_qualified(file.package, one))) for one in names})


def _qualified(package: str, name: str) -> str:
    """Join a package, which may be empty, and a name."""
    return f"{package}.{name}" if package else name
