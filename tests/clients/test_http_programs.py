"""rsyslog and syslog-ng over HTTP, as Debian has them."""

import json
from pathlib import Path
from typing import Any

from tests.kit.app_kit import journal_lines
from tests.kit.app_thread import AppThread
from tests.kit.rsyslog_kit import Rsyslog
from tests.kit.syslog_ng_kit import SyslogNg

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
