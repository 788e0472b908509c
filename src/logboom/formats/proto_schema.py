"""Message classes of our `.proto` files, made at run time: no compiler, and no generated code to keep.

Reads the part of the language that those files use: messages of plain fields, enums, services. The tests hold the
outcome against that of protoc.
"""

import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any, Final, NamedTuple

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto  # type: ignore[import-untyped]
from google.protobuf.descriptor_pool import DescriptorPool  # type: ignore[import-untyped]
from google.protobuf.message_factory import GetMessageClass  # type: ignore[import-untyped]

_TOKEN: Final = re.compile(r'"[^"]*"|\w+|[^\w\s]')
_COMMENT: Final = re.compile(r"//[^\n]*")
_SCALARS: Final = {
    "string": FieldDescriptorProto.TYPE_STRING,
    "int32": FieldDescriptorProto.TYPE_INT32,
    "uint32": FieldDescriptorProto.TYPE_UINT32,
    "bool": FieldDescriptorProto.TYPE_BOOL,
}


class Schema(NamedTuple):
    """A loaded file. Message classes are made by protobuf, and have no types that a checker knows."""

    file: FileDescriptorProto
    messages: dict[str, Any]
    """The class of each message, by its name without package."""

    @property
    def services(self) -> list[str]:
        """The full names of the services."""
        return [qualified(self.file.package, service.name) for service in self.file.service]


@cache
def load_schema(name: str) -> Schema:
    """Load one of the package's own files, such as `logservice.proto`, into a pool of its own.

    The default pool belongs to the process that we may be a guest in: it may have a copy of the same file.
    """
    text = resources.files("logboom.schemas").joinpath(name).read_text(encoding="utf-8")
    file = parse_proto(name, text)
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    find = pool.FindMessageTypeByName
    names = [message.name for message in file.message_type]
    return Schema(file, {one: GetMessageClass(find(qualified(file.package, one))) for one in names})


def qualified(package: str, name: str) -> str:
    """A full name; `package` may be empty."""
    return f"{package}.{name}" if package else name


def parse_proto(name: str, text: str) -> FileDescriptorProto:
    """Read a file's text.

    Raises:
        ValueError: it uses what is not understood here.
    """
    tokens = iter(_TOKEN.findall(_COMMENT.sub("", text)))
    file = FileDescriptorProto(name=name)
    for word in tokens:
        match word:
            case "syntax":
                file.syntax = _statement(tokens)[-1].strip('"')
            case "package":
                file.package = "".join(_statement(tokens))
            case "message":
                _read_message(file, tokens)
            case "enum":
                _read_enum(file, tokens)
            case "service":
                _read_service(file, tokens)
            case _:
                raise ValueError(
                    f"{name}: found {word!r}, expected syntax, package, message, enum or service"
                )
    _resolve(file)
    return file


def _statement(tokens: Iterator[str]) -> list[str]:
    """The words up to the next semicolon, without it."""
    return list(iter(tokens.__next__, ";"))


def _block(tokens: Iterator[str]) -> Iterator[list[str]]:
    """The statements of a block, whose name was read."""
    if (found := next(tokens)) != "{":
        raise ValueError(f"found {found!r}, expected {{")
    while (word := next(tokens)) != "}":
        yield [word, *_statement(tokens)]


def _read_message(file: FileDescriptorProto, tokens: Iterator[str]) -> None:
    message = file.message_type.add(name=next(tokens))
    for words in _block(tokens):
        repeated = words[0] == "repeated"
        kind, name, _, number = words[repeated:]
        field = message.field.add(name=name, number=int(number), json_name=_json_name(name))
        field.label = FieldDescriptorProto.LABEL_REPEATED if repeated else FieldDescriptorProto.LABEL_OPTIONAL
        if kind in _SCALARS:
            field.type = _SCALARS[kind]
        else:
            field.type_name = kind


def _json_name(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)


def _read_enum(file: FileDescriptorProto, tokens: Iterator[str]) -> None:
    enum = file.enum_type.add(name=next(tokens))
    for name, _, number in _block(tokens):
        enum.value.add(name=name, number=int(number))


def _read_service(file: FileDescriptorProto, tokens: Iterator[str]) -> None:
    service = file.service.add(name=next(tokens))
    for words in _block(tokens):
        method = service.method.add(name=words[1])
        taken, given = [
            [word for word in part.split() if word not in "()"]
            for part in " ".join(words[2:]).split("returns")
        ]
        method.input_type, method.output_type = taken[-1], given[-1]
        if taken[0] == "stream":
            method.client_streaming = True
        if given[0] == "stream":
            method.server_streaming = True


def _resolve(file: FileDescriptorProto) -> None:
    """Complete the names of types, which may be used before they are declared."""
    prefix = f".{file.package}." if file.package else "."
    enums = {enum.name for enum in file.enum_type}
    for message in file.message_type:
        for field in message.field:
            if field.type_name:
                is_enum = field.type_name in enums
                field.type = FieldDescriptorProto.TYPE_ENUM if is_enum else FieldDescriptorProto.TYPE_MESSAGE
                field.type_name = prefix + field.type_name
    for service in file.service:
        for method in service.method:
            method.input_type, method.output_type = prefix + method.input_type, prefix + method.output_type
