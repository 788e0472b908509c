"""Receivers over HTTP: what real clients send is stored under the common names, and answered as they expect."""

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from logboom.pipeline.tokens import add_token
from tests.kit.app_kit import FailingDisk, journal_lines
from tests.kit.app_thread import AppThread
from tests.kit.captured import answer_to, raw_answer, replay


def entries_of(data_dir: Path) -> list[dict[str, Any]]:
    return [json.loads(line)["entry"] for line in journal_lines(data_dir)]


def post(path: str, body: bytes, content_type: str = "application/json", **headers: str) -> bytes:
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    more += f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n"
    return head.encode() + body


@pytest.mark.parametrize(
    ("receiver", "capture", "statuses", "messages"),
    [
        ("elasticsearch", "es/py-elasticsearch.bin", [200] * 2, ["pump 0", "pump 1", "pump 2"]),
        ("elasticsearch", "es/js-elasticsearch.bin", None, None),
        ("elasticsearch", "es/js-winston-elasticsearch.c1.bin", None, ["calculation failed", "valve stuck"]),
        ("elasticsearch", "es/js-winston-elasticsearch.c3.bin", [200], []),
        ("elasticsearch", "es/js-pino-elasticsearch.c3.bin", None, ["calculation failed"]),
        ("elasticsearch", "es/rsyslog-omelasticsearch.bin", [200] * 3, None),
        ("elasticsearch", "es/syslogng-elasticsearch-http.c1.bin", None, None),
        ("elasticsearch", "fluentbit/es.c1.bin", [200], ["valve stuck at 87 %"]),
        ("splunk", "hec/docker-splunk.bin", [200] * 2, ["pump started", "valve stuck", "", "last"]),
        ("splunk", "hec/docker-splunk-gzip.bin", None, None),
        ("splunk", "hec/py-splunk-handler.bin", [200], None),
        ("splunk", "hec/js-splunk-logging.bin", [200], None),
        ("splunk", "fluentbit/splunk.c1.bin", None, None),
        ("loki", "loki/js-pino-loki.bin", [204], ["pump started", "valve stuck", "calculation failed"]),
        ("loki", "loki/js-winston-loki-json.bin", [204], None),
        ("loki", "loki/js-winston-loki-snappy.bin", [204], None),
        ("loki", "loki/py-python-logging-loki.bin", [204] * 3, None),
        ("loki", "loki/py-loki-logger-handler-gzip.bin", [204], None),
        ("loki", "fluentbit/loki.bin", [204] * 2, ["valve stuck at 87 %"] * 3),
        (
            "otlp",
            "otlp/py-http-proto.bin",
            [200],
            ["pump started", "valve stuck at 87 %", "calculation failed"],
        ),
        (
            "otlp",
            "otlp/py-http-proto-gzip.bin",
            [200],
            ["pump started", "valve stuck at 87 %", "calculation failed"],
        ),
        ("otlp", "otlp/js-http-json.bin", [200], None),
        ("otlp", "otlp/js-http-proto.bin", [200], None),
        ("otlp", "fluentbit/otlp.bin", [200] * 2, ["valve stuck at 87 %"] * 3),
    ],
)
def test_requests_of_real_clients(
    tmp_path: Path, receiver: str, capture: str, statuses: list[int] | None, messages: list[str] | None
) -> None:
    with AppThread(tmp_path, (receiver,)) as app:
        found = [status for status, _ in replay(app.port(receiver), capture)]
    assert found == (statuses or found)
    assert set(found) <= {200, 204}
    entries = entries_of(tmp_path)
    if messages is None:
        assert len(entries) >= 1
        assert any(entry["message"] for entry in entries)
    else:
        assert [entry["message"] for entry in entries][: len(messages)] == messages
        assert len(entries) == len(messages)


def test_elasticsearch_has_one_item_per_action(tmp_path: Path) -> None:
    body = (
        b'{"create":{"_index":"a","_id":"1"}}\n{"message":"one","n":1.10}\n'
        b'{"delete":{"_index":"a","_id":"1"}}\n'
        b'{"index":{"_index":"a"}}\nnot JSON\n'
        b'{"create":{"_index":"a","_id":"1"}}\n{"message":"one","n":1.10}\n'
        b'{"update":{"_index":"a","_id":"1"}}\n{"doc":{}}\n'
        b'{"index":{"_id":2},"attempts":0}\n{"message":"two","host":{"name":"pi"},"log":{"level":"warn"}}'
    )
    with AppThread(tmp_path, ("elasticsearch",)) as app:
        status, answer = answer_to(app.port("elasticsearch"), post("/b/_bulk", body, "application/x-ndjson"))
    assert status == 200
    document = json.loads(answer)
    assert document["errors"] is True
    assert [(*item, item[next(iter(item))]["status"]) for item in document["items"]] == [
        ("create", 201),
        ("delete", 400),
        ("index", 400),
        ("create", 409),
        ("update", 400),
        ("index", 201),
    ]
    first, second = entries_of(tmp_path)
    assert first == {"message": "one", "source": "a", "attributes": {"n": 1.1, "_index": "a"}}
    assert b'"n":1.10' in journal_lines(tmp_path)[0]
    assert (second["host"], second["level"], second["source"]) == ("pi", "warn", "b")


@pytest.mark.parametrize("path", ["/_refresh", "/pumps-2026-12-01/_refresh"])
def test_elasticsearch_documents_are_visible_at_once(tmp_path: Path, path: str) -> None:
    with AppThread(tmp_path, ("elasticsearch",)) as app:
        status, answer = answer_to(app.port("elasticsearch"), post(path, b""))
    assert (status, json.loads(answer)["_shards"]["failed"]) == (200, 0)


def test_what_is_no_bulk_request_is_refused_whole(tmp_path: Path) -> None:
    with AppThread(tmp_path, ("elasticsearch",)) as app:
        port = app.port("elasticsearch")
        good = b'{"create":{"_index":"a"}}\n{"message":"one"}\n'
        for body in (good + b'{"what":{}}\n{}\n', good + b"torn", b"", b"\n\n"):
            status, answer = answer_to(port, post("/_bulk", body))
            assert status == 400
            assert json.loads(answer)["status"] == 400
    assert entries_of(tmp_path) == []


@pytest.mark.parametrize(
    ("body", "code", "number"),
    [
        (b'{"event":"a"}{"time":1}', 12, 1),
        (b'{"event":""}', 13, 0),
        (b'{"event":"a"', 6, 0),
        (b'{"event":"a"}{"event":"b","time":[]}', 6, 1),
        (b"[1]", 6, 0),
    ],
)
def test_splunk_names_the_event_that_is_wrong(tmp_path: Path, body: bytes, code: int, number: int) -> None:
    with AppThread(tmp_path, ("splunk",)) as app:
        status, answer = answer_to(app.port("splunk"), post("/services/collector", body))
    assert (status, json.loads(answer)["code"], json.loads(answer)["invalid-event-number"]) == (
        400,
        code,
        number,
    )
    assert entries_of(tmp_path) == []


def test_splunk_events_need_no_separator_and_may_hold_what_looks_like_one(tmp_path: Path) -> None:
    body = b'{"event":"a}{b","time":"1796051350.875"}\n \t{"event":{"line":"c","n":1.50},"host":"h","fields":{"k":"v"}}'
    with AppThread(tmp_path, ("splunk",)) as app:
        port = app.port("splunk")
        assert answer_to(port, post("/services/collector/event/1.0", body, "text/plain"))[0] == 200
        raw = post("/services/collector/raw?source=s&host=h", b"one\n\ntwo\r\n")
        assert answer_to(port, raw) == (200, b'{"text":"Success","code":0}')
        acks = post("/services/collector/ack?channel=c", b'{"acks":[0,1]}')
        assert json.loads(answer_to(port, acks)[1]) == {"acks": {"0": True, "1": True}}
        assert answer_to(port, b"GET /services/collector/health HTTP/1.1\r\nHost: x\r\n\r\n")[0] == 200
    entries = entries_of(tmp_path)
    assert [entry["message"] for entry in entries] == ["a}{b", "c", "one", "two"]
    assert entries[1]["labels"] == {"k": "v"}
    assert (entries[3]["source"], entries[3]["host"]) == ("s", "h")


def test_loki_drops_an_exact_repeat_and_nothing_else(tmp_path: Path) -> None:
    body = b'{"streams":[{"stream":{"app":"a"},"values":[["1796051475120000000","x"],["1796051475120000001","x"]]}]}'
    other = body.replace(b'"a"', b'"b"')
    labels = b'{app=\\"q\\\\\\"\\",b=`c`}'
    old = b'{"streams":[{"labels":"%b","entries":[{"ts":"2026-11-30T04:12:09Z","line":"old"}]}]}' % labels
    with AppThread(tmp_path, ("loki",)) as app:
        for sent in (body, body, other, old, gzip.compress(body), b'{"streams":[]}'):
            assert answer_to(app.port("loki"), post("/loki/api/v1/push", sent))[0] == 204
    entries = entries_of(tmp_path)
    assert [(entry["labels"]["app"], entry["message"]) for entry in entries] == [
        *[("a", "x")] * 2,
        *[("b", "x")] * 2,
        ('q"', "old"),
    ]


@pytest.mark.parametrize(
    "body", [b"{", b'{"streams":[{"stream":{},"values":[[1]]}]}', b'{"streams":[{"labels":"{a"}]}']
)
def test_loki_refuses_the_whole_request_in_plain_text(tmp_path: Path, body: bytes) -> None:
    with AppThread(tmp_path, ("loki",)) as app:
        assert answer_to(app.port("loki"), post("/loki/api/v1/push", body))[0] == 400
        assert (
            answer_to(app.port("loki"), post("/loki/api/v1/push", b"\xff" * 50, "application/x-protobuf"))[0]
            == 400
        )
    assert entries_of(tmp_path) == []


def test_otlp_answers_in_the_type_of_the_request(tmp_path: Path) -> None:
    with AppThread(tmp_path, ("otlp",)) as app:
        port = app.port("otlp")
        assert answer_to(port, post("/v1/logs", b"{}")) == (200, b"{}")
        status, answer = answer_to(port, post("/v1/logs", b'{"resourceLogs":1}'))
        assert (status, json.loads(answer)["code"]) == (400, 3)
        assert answer_to(port, post("/v1/logs", b"\xff\xff", "application/x-protobuf"))[0] == 400
        assert answer_to(port, post("/v1/traces", b"{}"))[0] == 404
        uid = [{"key": "log.record.uid", "value": {"stringValue": "01J"}}]
        record = {
            "body": {"stringValue": "once"},
            "attributes": uid,
            "traceId": "00" * 16,
            "severityNumber": 17,
        }
        again = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}).encode()
        assert [answer_to(port, post("/v1/logs", again))[0] for _ in range(2)] == [200, 200]
    [entry] = entries_of(tmp_path)
    assert (entry["message"], entry["level"]) == ("once", "ERROR")


@pytest.mark.parametrize(
    ("receiver", "request_", "status"),
    [
        ("elasticsearch", post("/_bulk", b'{"index":{}}\n{"message":"m"}\n'), 503),
        ("splunk", post("/services/collector", b'{"event":"m"}'), 503),
        ("otlp", post("/v1/logs", b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]}'), 503),
        ("loki", post("/loki/api/v1/push", b'{"streams":[{"stream":{},"values":[["1","m"]]}]}'), 503),
    ],
)
def test_a_request_waits_for_the_disk_and_is_refused_whole_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receiver: str, request_: bytes, status: int
) -> None:
    monkeypatch.setattr("logboom.receivers.http_push.WholeBody.hold_s", 0.5)
    monkeypatch.setattr("logboom.receivers.loki.loki_push.PushCodec.hold_s", 0.5)
    disk = FailingDisk()
    with AppThread(tmp_path, (receiver,), disk=disk) as app:
        disk.failing = True
        found, answer = answer_to(app.port(receiver), request_)
        assert found == status
        assert (b"storage unavailable" in answer) or (b"Server is busy" in answer)
        disk.failing = False
        assert answer_to(app.port(receiver), request_)[0] in {200, 204}
    assert len(entries_of(tmp_path)) == 1


@pytest.mark.parametrize(
    ("receiver", "path", "one", "join"),
    [
        ("elasticsearch", "/_bulk", b'{"index":{}}\n{"message":"m"}\n', b""),
        ("splunk", "/services/collector", b'{"event":"m"}', b""),
        ("loki", "/loki/api/v1/push", b'{"stream":{"n":"%d"},"values":[["1","m"]]}', b","),
    ],
)
def test_a_rate_limit_takes_or_refuses_a_request_as_a_whole(
    tmp_path: Path, receiver: str, path: str, one: bytes, join: bytes
) -> None:
    settings = {receiver: {"rate_limit_enabled": True, "rate_limit_requests_max": 5}}
    body = join.join([one.replace(b"%d", b"%d" % number) for number in range(8)])
    if receiver == "loki":
        body = b'{"streams":[%b]}' % body
    with AppThread(tmp_path, (receiver,), settings={"listeners": settings}) as app:
        assert answer_to(app.port(receiver), post(path, body))[0] in {200, 204}
        head = raw_answer(app.port(receiver), post(path, body.replace(b'"m"', b'"n"')))
    assert head.startswith(b"HTTP/1.1 429 ")
    assert 1 < int(head.partition(b"Retry-After: ")[2].partition(b"\r")[0]) <= 60
    assert [entry["message"] for entry in entries_of(tmp_path)] == ["m"] * 8


def test_tokens_are_taken_in_the_spelling_of_each_protocol(tmp_path: Path) -> None:
    token = add_token(tmp_path / "tokens.json", "one", ("write",))
    basic = base64.b64encode(f"any:{token}".encode()).decode()
    event = b'{"event":"m"}'
    with AppThread(tmp_path, ("splunk",), settings={"listeners": {"splunk": {"auth": "token"}}}) as app:
        for spelling in (f"Bearer {token}", f"Splunk {token}", f"ApiKey {token}", f"Basic {basic}"):
            request = post("/services/collector", event, Authorization=spelling)
            assert answer_to(app.port("splunk"), request)[0] == 200
        assert answer_to(app.port("splunk"), post("/services/collector", event))[0] == 401
    assert len(entries_of(tmp_path)) == 4


def test_the_pages_address_is_elasticsearchs_to_programs_only(tmp_path: Path) -> None:
    get = "GET / HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nUser-Agent: {agent}\r\n\r\n"
    with AppThread(tmp_path, ("http",)) as app:
        port = app.port("http")
        status, answer = answer_to(port, get.format(accept="application/json", agent="py").encode())
        assert status == 200
        assert json.loads(answer)["version"]["number"]
        for accept, agent in (("text/html", "curl"), ("application/json", "Mozilla/5.0")):
            status, answer = answer_to(port, get.format(accept=accept, agent=agent).encode())
            assert status == 200
            assert b"<html" in answer
