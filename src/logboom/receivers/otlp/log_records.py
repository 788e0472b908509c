"""OpenTelemetry log records as entries, from both of their encodings (opentelemetry.proto.logs.v1)."""

import base64
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from logboom.formats.json_fields import DAMAGE
from logboom.formats.levels import from_severity
from logboom.formats.mapped import MappedEntry

UID: Final = "log.record.uid"
"""Attribute that identifies a record: one that is sent again with it is stored once."""

DEPTH_MAX: Final = 32
"""Depth up to which nested values are read; deeper ones are refused, as they could exhaust the stack."""


class UnreadableRequestError(ValueError):
    """The request cannot be read."""


class _Value(msgspec.Struct, gc=False):
    stringValue: str | None = None  # noqa: N815 - the names of the protocol's JSON
    boolValue: bool | None = None  # noqa: N815
    intValue: int | str | None = None  # noqa: N815
    doubleValue: float | str | None = None  # noqa: N815
    arrayValue: "_List | None" = None  # noqa: N815
    kvlistValue: "_Pairs | None" = None  # noqa: N815
    bytesValue: str | None = None  # noqa: N815

    def plain(self) -> Any:
        """Return the value as JSON has it."""
        if self.stringValue is not None:
            return self.stringValue
        if self.intValue is not None:
            return int(self.intValue)
        for value in (self.boolValue, self.doubleValue, self.bytesValue):
            if value is not None:
                return value
        if self.arrayValue is not None:
            return [one.plain() for one in self.arrayValue.values]
        return _plain_pairs(self.kvlistValue.values) if self.kvlistValue is not None else None


class _Pair(msgspec.Struct, gc=False):
    key: str = ""
    value: _Value | None = None


class _List(msgspec.Struct, gc=False):
    values: list[_Value] = []


class _Pairs(msgspec.Struct, gc=False):
    values: list[_Pair] = []


class _Record(msgspec.Struct, gc=False, rename="camel"):
    time_unix_nano: int | str = 0
    observed_time_unix_nano: int | str = 0
    severity_number: int = 0
    severity_text: str = ""
    body: _Value | None = None
    attributes: list[_Pair] = []
    trace_id: str = ""
    span_id: str = ""
    event_name: str = ""


class _Attributed(msgspec.Struct, gc=False):
    name: str = ""
    attributes: list[_Pair] = []


class _ScopeLogs(msgspec.Struct, gc=False, rename="camel"):
    scope: _Attributed | None = None
    log_records: list[_Record] = []


class _ResourceLogs(msgspec.Struct, gc=False, rename="camel"):
    resource: _Attributed | None = None
    scope_logs: list[_ScopeLogs] = []


class _Request(msgspec.Struct, gc=False, rename="camel"):
    resource_logs: list[_ResourceLogs] = []


_request: Final = msgspec.json.Decoder(_Request).decode


def from_json(body: bytes) -> list[MappedEntry]:
    """Read a request as JSON. Raises `UnreadableRequestError`."""
    try:
        found = _request(body)
        return [entry for logs in found.resource_logs for entry in _json_entries(logs)]
    except (*DAMAGE, ValueError) as error:
        raise UnreadableRequestError(str(error)) from None


def _json_entries(logs: _ResourceLogs) -> Iterator[MappedEntry]:
    labels = _plain_pairs(logs.resource.attributes) if logs.resource else {}
    source, host = _text(labels.get("service.name")), _text(labels.get("host.name"))
    for scope_logs in logs.scope_logs:
        scope = scope_logs.scope.name if scope_logs.scope else ""
        for record in scope_logs.log_records:
            attributes = _plain_pairs(record.attributes)
            _add(attributes, scope, record.trace_id, record.span_id, record.event_name)
            moment = int(record.time_unix_nano) or int(record.observed_time_unix_nano)
            body = record.body.plain() if record.body else ""
            yield MappedEntry(
                time=moment or None,
                level=_level(record.severity_number, record.severity_text),
                message=body if type(body) is str else _message(body),
                source=source,
                host=host,
                labels=labels,
                attributes=attributes,
            )


def _plain_pairs(pairs: Iterable[_Pair]) -> dict[str, Any]:
    return {pair.key: pair.value.plain() if pair.value else None for pair in pairs}


def from_protobuf(body: bytes) -> list[MappedEntry]:
    """Read a request as protobuf. Raises `UnreadableRequestError`."""
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # noqa: PLC0415 - of an extra
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2  # noqa: PLC0415

    try:
        found = logs_service_pb2.ExportLogsServiceRequest.FromString(body)
    except (DecodeError, ValueError) as error:
        raise UnreadableRequestError(f"it is no protobuf message of this service: {error}") from None
    return [entry for logs in found.resource_logs for entry in _proto_entries(logs)]


def _proto_entries(logs: Any) -> Iterator[MappedEntry]:
    labels = _proto_pairs(logs.resource.attributes, 0)
    source, host = _text(labels.get("service.name")), _text(labels.get("host.name"))
    for scope_logs in logs.scope_logs:
        scope = scope_logs.scope.name
        for record in scope_logs.log_records:
            attributes = _proto_pairs(record.attributes, 0)
            _add(attributes, scope, record.trace_id.hex(), record.span_id.hex(), record.event_name)
            body = record.body
            yield MappedEntry(
                time=record.time_unix_nano or record.observed_time_unix_nano or None,
                level=_level(record.severity_number, record.severity_text),
                message=body.string_value or _message(_proto_value(body, 0)),
                source=source,
                host=host,
                labels=labels,
                attributes=attributes,
            )


def _proto_pairs(pairs: Any, depth: int) -> dict[str, Any]:
    return {
        pair.key: (value := pair.value).string_value or _proto_value(value, depth)  # most are texts
        for pair in pairs
    }


def _proto_value(value: Any, depth: int) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    found = getattr(value, kind)
    if kind == "bytes_value":
        return base64.b64encode(found).decode()
    if kind not in {"array_value", "kvlist_value"}:
        return found
    if depth >= DEPTH_MAX:
        raise UnreadableRequestError(f"a value is nested more than {DEPTH_MAX} deep")
    if kind == "array_value":
        return [_proto_value(one, depth + 1) for one in found.values]
    return _proto_pairs(found.values, depth + 1)


def _add(attributes: dict[str, Any], scope: str, trace_id: str, span_id: str, event_name: str) -> None:
    if scope:
        attributes["scope.name"] = scope
    if trace_id:
        attributes["trace_id"] = trace_id
    if span_id:
        attributes["span_id"] = span_id
    if event_name:
        attributes["event_name"] = event_name


def _level(number: int, text: str) -> str:
    """Return the level's name by its number, which is the same for all languages; else its text."""
    return (_NAMES[number] if 0 < number <= 24 else "") or text


_NAMES: Final = ["", *(from_severity(number) for number in range(1, 25))]


def _message(body: Any) -> str:
    if body is None:
        return ""
    return body if isinstance(body, str) else msgspec.json.encode(body).decode()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
