"""Message classes for the package's `.proto` files, made at run time without a compiler or generated code.

Supports the part of the language that those files use: messages of plain fields, enums, services. Tests compare the
result with that of protoc.
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
    """A loaded file. Message classes are made by protobuf, and have no static types."""

    file: FileDescriptorProto
    messages: dict[str, Any]
    """Message classes by name without package."""

    @property
    def services(self) -> list[str]:
        """Full names of the services."""
        return [qualified(self.file.package, service.name) for service in self.file.service]


@cache
def load_schema(name: str) -> Schema:
    """Load one of the package's files, such as `logservice.proto`, into a separate pool.

    The default pool belongs to the whole process, and may contain a copy of the same file.
    """
    text = resources.files("logboom.schemas").joinpath(name).read_text(encoding="utf-8")
    file = parse_proto(name, text)
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    find = pool.FindMessageTypeByName
    names = [message.name for message in file.message_type]
    return Schema(file, {one: GetMessageClass(find(qualified(file.package, one))) for one in names})


def qualified(package: str, name: str) -> str:
    """Join a package, which may be empty, and a name."""
    return f"{package}.{name}" if package else name


def parse_proto(name: str, text: str) -> FileDescriptorProto:
    """Parse the text of a file.

    Raises:
        ValueError: it uses an unsupported part of the language.
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
    """Read the words up to the next semicolon."""
    return list(iter(tokens.__next__, ";"))


def _block(tokens: Iterator[str]) -> Iterator[list[str]]:
    """Yield the statements of a block after its name."""
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
    """Complete the names of types, which may be used before their declaration."""
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
