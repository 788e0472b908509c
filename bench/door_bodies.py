"""Bodies for the doors: lines of one web server in the form of each protocol, as agents and libraries send them."""

import json
import struct
import zlib
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import cramjam
import msgspec
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

_TIME: Final = "2025-11-12T19:08:58.837902+00:00"
_NS: Final = 1_762_974_538_837_902_000


def _message(number: int) -> str:
    return f"GET /api/v1/things/{number} HTTP/1.1 200, served in 12 ms for user 4711"


def _syslog(first: int, count: int) -> bytes:
    head = f"<165>1 {_TIME} web-1 nginx 1234 ID47 - "
    lines = [(head + _message(number)).encode() for number in range(first, first + count)]
    return b"".join([b"%d %b" % (len(line), line) for line in lines])


def _forward(first: int, count: int) -> bytes:
    entries = []
    for number in range(first, first + count):
        record = {
            "log": _message(number),
            "container_name": "/web-1",
            "container_id": "4f66ad9a0b2e",
            "source": "stdout",
        }
        entries.append(
            b"\x92\xd7\x00" + struct.pack(">II", 1_762_974_538, number) + msgspec.msgpack.encode(record)
        )
    options = {"size": count, "chunk": f"chunk-{first}"}
    return msgspec.msgpack.encode(["docker.web", b"".join(entries), options])


def _beats(first: int, count: int) -> bytes:
    frames = []
    for place, number in enumerate(range(first, first + count), 1):
        event = json.dumps(
            {
                "@timestamp": "2025-11-12T19:08:58.837Z",
                "@metadata": {"beat": "filebeat", "type": "_doc", "version": "8.11.1"},
                "message": _message(number),
                "log": {
                    "offset": number * 100,
                    "file": {"path": "/var/log/nginx/access.log", "device_id": "2049", "inode": "131337"},
                },
                "input": {"type": "filestream"},
                "host": {"name": "web-1"},
                "agent": {"id": "3c1ff1f5-9d3c-4b4b-8e3f", "name": "web-1", "version": "8.11.1"},
                "ecs": {"version": "8.0.0"},
            }
        ).encode()
        frames.append(b"2J" + struct.pack(">II", place, len(event)) + event)
    packed = zlib.compress(b"".join(frames), 3)
    return b"2W" + struct.pack(">I", count) + b"2C" + struct.pack(">I", len(packed)) + packed


def _otlp(first: int, count: int) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    attribute = resource.resource.attributes.add()
    attribute.key, attribute.value.string_value = "service.name", "shop"
    scope = resource.scope_logs.add()
    scope.scope.name = "shop.http"
    for number in range(first, first + count):
        record = scope.log_records.add(time_unix_nano=_NS + number, severity_number=9, severity_text="INFO")
        record.body.string_value = _message(number)
        for key, value in (("http.method", "GET"), ("http.route", "/api/v1/things/{id}")):
            attribute = record.attributes.add()
            attribute.key, attribute.value.string_value = key, value
    return request


def _otlp_protobuf(first: int, count: int) -> bytes:
    return bytes(_otlp(first, count).SerializeToString())


def _otlp_json(first: int, count: int) -> bytes:
    def attributes(**values: str) -> list[Any]:
        return [{"key": key, "value": {"stringValue": value}} for key, value in values.items()]

    records = [
        {
            "timeUnixNano": str(_NS + number),
            "severityNumber": 9,
            "severityText": "INFO",
            "body": {"stringValue": _message(number)},
            "attributes": attributes(method="GET", route="/api/v1/things/{id}"),
        }
        for number in range(first, first + count)
    ]
    scopes = [{"scope": {"name": "shop.http"}, "logRecords": records}]
    resource = {"attributes": attributes(service="shop")}
    return json.dumps({"resourceLogs": [{"resource": resource, "scopeLogs": scopes}]}).encode()


def _loki_json(first: int, count: int) -> bytes:
    values = [[str(_NS + number), _message(number)] for number in range(first, first + count)]
    return json.dumps({"streams": [{"stream": {"app": "shop", "env": "prod"}, "values": values}]}).encode()


def _loki_protobuf(first: int, count: int) -> bytes:
    stream = _field(1, b'{app="shop", env="prod"}')
    for number in range(first, first + count):
        seconds, nanos = divmod(_NS + number, 1_000_000_000)
        moment = b"\x08" + _varint(seconds) + b"\x10" + _varint(nanos)
        stream += _field(2, _field(1, moment) + _field(2, _message(number).encode()))
    return bytes(cramjam.snappy.compress_raw(_field(1, stream)))


def _field(number: int, data: bytes) -> bytes:
    """Return a field of protobuf with a length."""
    return bytes([number << 3 | 2]) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def _bulk(first: int, count: int) -> bytes:
    lines = [
        b'{"create":{"_index":"logs-web"}}\n'
        + json.dumps({"@timestamp": _TIME, "message": _message(number), "log.level": "info"}).encode()
        for number in range(first, first + count)
    ]
    return b"\n".join([*lines, b""])


def _splunk(first: int, count: int) -> bytes:
    events = [
        json.dumps(
            {
                "time": 1_762_974_538.837,
                "host": "web-1",
                "source": "nginx",
                "sourcetype": "access",
                "event": {"message": _message(number), "level": "info"},
            }
        ).encode()
        for number in range(first, first + count)
    ]
    return b"\n".join(events)


def _journald(first: int, count: int) -> bytes:
    entries = [
        f"__CURSOR=s=0f3a;i={number:x};b=77aa\n__REALTIME_TIMESTAMP={_NS // 1000 + number}\n_HOSTNAME=web-1\n"
        f"PRIORITY=6\nSYSLOG_IDENTIFIER=nginx\n_PID=1234\n_SYSTEMD_UNIT=nginx.service\nMESSAGE={_message(number)}\n\n"
        for number in range(first, first + count)
    ]
    return "".join(entries).encode()


class Door(NamedTuple):
    """A receiver, what is sent to it, and how."""

    listener: str
    what: str
    goal_per_s: int
    """Records per second of one core's time."""
    body: Callable[[int, int], bytes]
    """Body with `count` records from number `first` on."""
    path: str = ""
    """Path of the request; empty: the bytes go over a TCP connection."""
    headers: tuple[str, ...] = ()


_JSON: Final = ("Content-Type: application/json",)
_PROTOBUF: Final = ("Content-Type: application/x-protobuf",)

DOORS: Final = [
    Door("syslog", "syslog over TCP", 300_000, _syslog),
    Door("forward", "Fluent Forward, 2000 records per chunk", 400_000, _forward),
    Door("beats", "Beats, 2000 events per window, zlib", 200_000, _beats),
    Door("otlp", "OTLP, protobuf", 200_000, _otlp_protobuf, "/v1/logs", _PROTOBUF),
    Door("otlp", "OTLP, JSON", 120_000, _otlp_json, "/v1/logs", _JSON),
    Door("loki", "Loki, JSON", 300_000, _loki_json, "/loki/api/v1/push", _JSON),
    Door("loki", "Loki, snappy protobuf", 300_000, _loki_protobuf, "/loki/api/v1/push", _PROTOBUF),
    Door("elasticsearch", "Elasticsearch _bulk", 350_000, _bulk, "/_bulk", _JSON),
    Door("splunk", "Splunk HEC", 300_000, _splunk, "/services/collector/event", _JSON),
    Door(
        "journald",
        "systemd-journal-upload",
        150_000,
        _journald,
        "/upload",
        ("Content-Type: application/vnd.fdo.journal",),
    ),
]
