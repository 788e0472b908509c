"""`webhook`: bodies of every shape become entries, at the paths that were chosen."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from logboom.config import parse
from logboom.errors import ConfigError
from tests.kit.app_kit import journal_lines
from tests.kit.app_thread import AppThread
from tests.kit.captured import answer_to, requests_of

FLUENT_BIT = ["valve stuck at 87 %"]
pytestmark = pytest.mark.filterwarnings("error")


class Site:
    """A server, and what it has stored since the last look."""

    def __init__(self, app: AppThread, data_dir: Path) -> None:
        self.port = app.port("webhook")
        self._data_dir = data_dir
        self._seen = 0

    def send(
        self, body: bytes, content_type: str = "application/json", path: str = "/logs"
    ) -> tuple[int, Any]:
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\n"
        status, answer = answer_to(self.port, f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        return status, json.loads(answer)

    def stored(self) -> list[dict[str, Any]]:
        lines = journal_lines(self._data_dir)
        fresh, self._seen = lines[self._seen :], len(lines)
        return [json.loads(line)["entry"] for line in fresh]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data_dir = tmp_path_factory.mktemp("webhook")
    settings = {"listeners": {"webhook": {"paths": ["/", "/logs", "/log"]}}}
    with AppThread(data_dir, ("webhook",), settings=settings) as app:
        yield Site(app, data_dir)


ONE = b'{"message":"a","n":1.50}'
TWO = b'{"msg":"b"}'


@pytest.mark.parametrize(
    ("body", "content_type", "messages"),
    [
        (ONE, "application/json", ["a"]),
        (b" [" + ONE + b",\n" + TWO + b"]\n", "application/json", ["a", "b"]),
        (ONE + TWO, "application/json", ["a", "b"]),
        (ONE + b"\n" + TWO, "application/x-ndjson", ["a", "b"]),
        (b'{"message":"}{"}{"message":"c"}', "application/json", ["}{", "c"]),
        (b"one\r\n\ntwo\n", "text/plain", ["one", "two"]),
        (b"[note] valve\n", "text/plain", ["[note] valve"]),
        (b"message=valve+stuck&n=1", "application/x-www-form-urlencoded", ["valve stuck"]),
        (TWO, "application/x-www-form-urlencoded", ["b"]),
        (msgspec.msgpack.encode({"message": "m", 1: b"x"}) * 2, "application/msgpack", ["m", "m"]),
        (msgspec.msgpack.encode([{"message": "m"}, {"log": "n"}]) * 1, "application/x-msgpack", None),
    ],
)
def test_a_body_of_any_shape_is_stored(
    site: Site, body: bytes, content_type: str, messages: list[str] | None
) -> None:
    status, answer = site.send(body, content_type)
    found = site.stored()
    assert (status, answer) == (200, {"entries": len(found)})
    if messages is not None:
        assert [entry["message"] for entry in found] == messages


@pytest.mark.parametrize(
    ("capture", "messages"),
    [
        ("fluentbit/http-json.c1", FLUENT_BIT),
        ("fluentbit/http-json_lines.c1", None),
        ("fluentbit/http-json_stream.c1", FLUENT_BIT * 2),
        ("fluentbit/http-msgpack.c1", FLUENT_BIT * 2),
        ("http/py-httphandler-post.c1", ["pump started"]),
        ("http/py-httphandler-post.c2", ["valve stuck at 87 %"]),
        ("http/py-httphandler-post.c3", ["calculation failed"]),
        ("http/py-logstash-async-http", ["pump started", "valve stuck at 87 %", "calculation failed"]),
        ("http/syslogng-http-ndjson", None),
    ],
)
def test_requests_of_real_clients(site: Site, capture: str, messages: list[str] | None) -> None:
    for request in requests_of(f"{capture}.bin"):
        method, _, rest = request.partition(b" ")
        status, _ = answer_to(site.port, method + b" /log HTTP/1.1\r\n" + rest.partition(b"\r\n")[2])
        assert status == 200
    found = site.stored()
    assert found
    if messages is not None:
        texts = [entry["message"] for entry in found]  # logstash-async sends in any order
        assert sorted(texts) == sorted(messages)
        assert all(entry["time"] for entry in found)


def test_a_form_of_python_keeps_its_parts(site: Site) -> None:
    [request] = requests_of("http/py-httphandler-post.c2.bin")
    answer_to(site.port, request.replace(request.split(b" ")[1], b"/log", 1))
    [entry] = site.stored()
    assert (entry["level"], entry["source"]) == ("WARNING", "pump")
    assert entry["attributes"]["args"] == "(87,)"
    site.send(
        b"msg=%25099999d&args=(1,)&levelname=INFO&created=1&name=x", "application/x-www-form-urlencoded"
    )
    assert site.stored()[0]["message"] == "%099999d"


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b'[{"message":"a"},1]', "application/json", "entry 1 is no JSON object"),
        (b'{"message":"a"}{', "application/json", "the body is not JSON"),
        (b"\x81\xa1", "application/msgpack", "breaks off"),
        (b"\xc1", "application/msgpack", "not MessagePack"),
        (b"\x92\xc0", "application/msgpack", "not MessagePack"),
        (b"&".join([b"a=1"] * 2000), "application/x-www-form-urlencoded", "1000 fields"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_whole(
    site: Site, body: bytes, content_type: str, reason: str
) -> None:
    status, answer = site.send(body, content_type)
    assert status == 400
    assert reason in answer["error"]
    assert site.stored() == []


@pytest.mark.parametrize("paths", [["logs"], ["/{any}"], ["/a", "/a"]])
def test_a_path_that_is_none_is_refused(paths: list[str]) -> None:
    with pytest.raises(ConfigError, match="paths"):
        parse({"listeners": {"w": {"protocol": "webhook", "port": 0, "paths": paths}}})
