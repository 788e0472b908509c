"""rsyslog and syslog-ng over HTTP, as Debian has them."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from logboom.receivers.http_push import WholeBody
from logboom.testing.server_kit import ServerProcess
from tests.kit.app_kit import FailingDisk, journal_lines
from tests.kit.app_thread import AppThread
from tests.kit.rsyslog_kit import Rsyslog
from tests.kit.syslog_ng_kit import SyslogNg

LIMIT_S = 60.0
TEXTS = ["pump started", "valve stuck at 87 %", 'a "quoted" \\ text', "x" * 3000]
BULK_TEMPLATE = """
template(name="document" type="list" option.jsonf="on") {
  property(outname="@timestamp" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="message" name="msg" position.from="2" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
  property(outname="program" name="programname" format="jsonf")
  property(outname="severity" name="syslogseverity-text" format="jsonf")
}
"""


def bulk_action(port: int) -> str:
    """Return the parameters of an action that sends to the bulk API."""
    return (
        f'type="omelasticsearch" server="127.0.0.1" serverport="{port}" bulkmode="on" maxbytes="100k"'
        ' searchIndex="pumps" searchType="" template="document"'
    )


def http_destination(url: str, body: str) -> str:
    """Return a destination of batches of lines, one per entry."""
    return (
        f'http(url("{url}") method("POST") headers("Content-Type: application/x-ndjson") body({body})'
        ' delimiter("\\n") batch-lines(100) batch-timeout(10) retries(1000) time-reopen(1));'
    )


NDJSON = "'$(format-json --scope rfc5424 --key HOST --pair source=$PROGRAM --pair level=$LEVEL)'"
BULK = """'{"index":{"_index":"pumps"}}
$(format-json --scope rfc5424 --pair @timestamp=$ISODATE --pair program=$PROGRAM --pair severity=$LEVEL)'"""


def count(server: AppThread, listener: str) -> int:
    return sum(server.app.listeners[listener].service.intake.counters.verdicts.values())


def entries_of(data_dir: Path) -> list[dict[str, Any]]:
    return [json.loads(line)["entry"] for line in journal_lines(data_dir)]


def test_rsyslog_omelasticsearch(tmp_path: Path) -> None:
    with AppThread(tmp_path / "data", ("elasticsearch",)) as server:
        action = bulk_action(server.port("elasticsearch"))
        with Rsyslog(tmp_path / "rsyslog", action, "omelasticsearch", BULK_TEMPLATE) as client:
            client.send(*TEXTS)
            server.until(lambda: count(server, "elasticsearch") == len(TEXTS))
    found = entries_of(tmp_path / "data")
    assert [entry["message"] for entry in found] == TEXTS
    assert {(entry["source"], entry["level"]) for entry in found} == {("pumps", "warning")}


def test_syslog_ng_to_the_bulk_api(tmp_path: Path) -> None:
    with AppThread(tmp_path / "data", ("elasticsearch",)) as server:
        url = f"http://127.0.0.1:{server.port('elasticsearch')}/_bulk"
        with SyslogNg(tmp_path / "syslog-ng", http_destination(url, BULK)) as client:
            client.send(*TEXTS)
            server.until(lambda: count(server, "elasticsearch") == len(TEXTS))
    found = entries_of(tmp_path / "data")
    assert [entry["message"] for entry in found] == TEXTS
    assert {(entry["source"], entry["level"]) for entry in found} == {("pumps", "warning")}


def test_syslog_ng_with_lines_of_json(tmp_path: Path) -> None:
    with AppThread(tmp_path / "data", ("http",)) as server:
        url = f"http://127.0.0.1:{server.port('http')}/api/entries"
        with SyslogNg(tmp_path / "syslog-ng", http_destination(url, NDJSON)) as client:
            client.send(*TEXTS)
            server.until(lambda: count(server, "http") == len(TEXTS))
    found = entries_of(tmp_path / "data")
    assert [entry["MESSAGE"] for entry in found] == TEXTS
    assert {(entry["source"], entry["level"]) for entry in found} == {("pumps", "warning")}


def rsyslog(folder: Path, port: int) -> Rsyslog:
    return Rsyslog(folder, bulk_action(port), "omelasticsearch", BULK_TEMPLATE)


def syslog_ng(folder: Path, port: int) -> SyslogNg:
    return SyslogNg(folder, http_destination(f"http://127.0.0.1:{port}/_bulk", BULK))


@pytest.mark.parametrize("make", [rsyslog, syslog_ng])
def test_nothing_is_lost_while_the_server_is_killed(
    tmp_path: Path, make: Callable[[Path, int], Rsyslog | SyslogNg]
) -> None:
    with (
        ServerProcess(tmp_path / "data", ("elasticsearch",), ("--with=elasticsearch",)) as server,
        make(tmp_path / "client", server.ports["elasticsearch"]) as client,
    ):
        for first in (0, 500):
            client.send(*[f"number {number}" for number in range(first, first + 400)])
            server.kill()
            client.send(*[f"number {number}" for number in range(first + 400, first + 500)])
            server.start()
        missing, ends_at = set(range(1000)), time.monotonic() + LIMIT_S
        while missing and time.monotonic() < ends_at:
            stored = {json.loads(line)["entry"]["message"] for line in server.journal_lines()}
            missing = {number for number in missing if f"number {number}" not in stored}
    assert missing == set()


@pytest.mark.parametrize("make", [rsyslog, syslog_ng])
def test_nothing_is_lost_while_requests_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path, int], Rsyslog | SyslogNg]
) -> None:
    monkeypatch.setattr(WholeBody, "hold_s", 0.001)
    disk = FailingDisk()
    with (
        AppThread(tmp_path / "data", ("elasticsearch",), disk) as server,
        make(tmp_path / "client", server.port("elasticsearch")) as client,
    ):
        disk.failing = True
        client.send(*[f"number {number}" for number in range(500)])
        server.until(lambda: server.app.journal.failed_groups > 0)
        disk.failing = False
        client.send(*[f"number {number}" for number in range(500, 600)])
        # Clients send some entries again, so that only different ones count.
        server.until(lambda: len({entry["message"] for entry in entries_of(tmp_path / "data")}) >= 600)
    found = {entry["message"] for entry in entries_of(tmp_path / "data")}
    assert [number for number in range(600) if f"number {number}" not in found] == []
