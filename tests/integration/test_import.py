"""`logboom import`: log files of the past, each line once, however often and however abruptly it is run."""

import gzip
import http.client
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from logboom.testing.server_kit import ServerProcess
from tests.kit.app_thread import AppThread

LIMIT_S = 60.0
LINE = '203.0.113.7 - - [30/Nov/2025:04:12:{:02d} +0000] "GET /pumps/{} HTTP/1.1" 200 512 "-" "curl/8.5.0"\n'


def command(url: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "logboom", "import", "--url", url, *arguments]


def run(tmp_path: Path, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    return subprocess.run(
        command(url, *arguments),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        env=environment,
        check=False,
    )


def url_of(server: AppThread | ServerProcess) -> str:
    port = server.port("http") if isinstance(server, AppThread) else server.ports["http"]
    return f"http://127.0.0.1:{port}"


def stored(data_dir: Path) -> list[dict[str, Any]]:
    paths = sorted((data_dir / "journal").glob("*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]


def journal_bytes(data_dir: Path) -> int:
    return sum(path.stat().st_size for path in (data_dir / "journal").glob("*.jsonl"))


def test_each_line_once_over_further_runs_and_further_lines(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text("".join(LINE.format(number % 60, number) for number in range(1000)))
    with AppThread(tmp_path / "data", ("http",)) as server:
        first = run(tmp_path, url_of(server), str(log))
        assert first.returncode == 0, first.stderr
        assert "1,000 entries stored" in first.stderr
        assert "(access;" in first.stderr
        again = run(tmp_path, url_of(server), str(log))
        assert "0 entries stored" in again.stderr
        with log.open("a") as file:
            file.write(LINE.format(1, 1000))
        log.rename(tmp_path / "access.log.1")
        assert "1 entries stored" in run(tmp_path, url_of(server), str(tmp_path / "access.log.1")).stderr
        all_of_it = run(tmp_path, url_of(server), "--again", str(tmp_path / "access.log.1"))
        assert re.search(r"[01] entries stored, 1,00[01] stored before", all_of_it.stderr)
    entries = stored(tmp_path / "data")
    assert {one["listener"] for one in entries} == {"import"}
    assert {one["source"] for one in entries} == {"access.log", "access.log.1"}
    paths = [one["entry"]["attributes"]["path"] for one in entries]
    assert paths[:1001] == [f"/pumps/{number}" for number in range(1001)]


def test_an_import_beyond_the_memory_for_keys_forgets_nothing(tmp_path: Path) -> None:
    """Windows of 15,000 lines each, the last of which grows; there is memory for 9,500 keys."""
    log = tmp_path / "big.jsonl"
    lines = [f'{{"message":"line {"x" * 40}","n":{number}}}\n' for number in range(65_000)]
    log.write_text("".join(lines[:50_000]))
    with AppThread(tmp_path / "data", ("http",), settings=FEW_KEYS) as server:
        assert post(server, "mine", '{"n":1}') == {"stored": 1, "duplicates": 0}
        assert "50,000 entries stored" in run(tmp_path, url_of(server), str(log)).stderr
        assert "0 entries stored, 50,000 stored before" in again(tmp_path, server, log)
        assert post(server, "mine", '{"n":1}') == {"stored": 0, "duplicates": 1}
    with log.open("a") as file:
        file.writelines(lines[50_000:])
    with AppThread(tmp_path / "data", ("http",), settings=FEW_KEYS) as server:
        assert "15,000 entries stored" in run(tmp_path, url_of(server), str(log)).stderr
        assert "0 entries stored, 65,000 stored before" in again(tmp_path, server, log)
    assert [one["entry"]["n"] for one in stored(tmp_path / "data")] == [1, *range(65_000)]


FEW_KEYS = {"journal": {"deduplication_bytes_max": 1 << 20}}


def again(tmp_path: Path, server: AppThread, log: Path) -> str:
    """Import a file from its start, as another user who has no state of it."""
    return run(tmp_path / "other", url_of(server), "--again", str(log)).stderr


def post(server: AppThread, key: str, body: str) -> dict[str, int]:
    """Store entries under a key."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port("http"), timeout=LIMIT_S)) as asked:
        asked.request("POST", "/api/entries", body, {"Idempotency-Key": key})
        answer = json.loads(asked.getresponse().read())
    return {name: answer[name] for name in ("stored", "duplicates")}


def test_progress_that_cannot_be_saved_is_reported(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("".join(LINE.format(n % 60, n) for n in range(100)))
    (tmp_path / "state").write_text("a file where the folder should be")
    with AppThread(tmp_path / "data", ("http",)) as server:
        done = run(tmp_path, url_of(server), str(log))
        assert done.returncode == 1
        assert "can't be written" in done.stderr
        assert "100 entries stored" in done.stderr
        (tmp_path / "state").unlink()
        assert "0 entries stored, 100 stored before" in run(tmp_path, url_of(server), str(log)).stderr


def test_files_of_real_shape_are_found_by_their_own_times(tmp_path: Path) -> None:
    """An access log of nginx, a container's log of Docker, an export of the journal: those of a page for readers."""
    page = (Path(__file__).parents[2] / "docs/how-to/questions.md").read_text(encoding="utf-8")
    files = dict(re.findall(r"<!-- file: (\S+) -->\n```text\n(.*?)```", page, re.DOTALL))
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with AppThread(tmp_path / "data", ("http",)) as server:
        done = run(tmp_path, url_of(server), *[str(tmp_path / name) for name in files])
        assert done.returncode == 0, done.stderr
        second = found(server, "since=2025-10-14T04:12:11Z&until=2025-10-14T04:12:12Z")
        errors = found(server, "q=level:error&since=2025-10-14T04:12:12Z&until=2025-10-15")
    assert second == {
        ("access.log", "2025-10-14T04:12:11.000000+00:00", "GET /wp-login.php HTTP/1.1 404"),
        ("shop-json.log", "2025-10-14T04:12:11.412990+00:00", "WARN  retry 1 of order 1042 in 2100 ms"),
        ("journal.export", "2025-10-14T04:12:11.876807+00:00", "pump 3: pressure 0.4 bar, expected 1.2"),
    }
    assert {message for _, _, message in errors} == {
        "GET /api/pumps/3 HTTP/1.1 504",
        "usb 1-1.2: USB disconnect, device number 4",
    }


def found(server: AppThread, query: str) -> set[tuple[str, str, str]]:
    """Source, time and message of what a search finds."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port("http"), timeout=LIMIT_S)) as asked:
        asked.request("GET", f"/api/entries?{query}")
        entries = json.loads(asked.getresponse().read())["entries"]
    return {(one["source"], one["time"], one["message"]) for one in entries}


def test_packed_files_are_the_same_files(tmp_path: Path) -> None:
    text = "".join(LINE.format(number % 60, number) for number in range(50)).encode()
    (tmp_path / "a.log").write_bytes(text)
    with gzip.open(tmp_path / "a.log.gz", "wb") as file:
        file.write(text)
    with AppThread(tmp_path / "data", ("http",)) as server:
        done = run(tmp_path, url_of(server), str(tmp_path / "a.log"), str(tmp_path / "a.log.gz"))
    assert done.returncode == 0, done.stderr
    assert len(stored(tmp_path / "data")) == 50


def test_what_is_no_log_or_damaged_is_reported_and_harms_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "b.bin").write_bytes(bytes(range(256)) * 10)
    packed = gzip.compress(b'{"message":"a"}\n' * 100_000 + os.urandom(5000))
    (tmp_path / "c.gz").write_bytes(packed[:-3000])
    (tmp_path / "d.log").write_text('{"message":"good"}\nnot JSON\n{"message":"good, too"}\n')
    with AppThread(tmp_path / "data", ("http",)) as server:
        done = run(tmp_path, url_of(server), *(str(tmp_path / name) for name in ("b.bin", "c.gz", "d.log")))
    assert done.returncode == 1
    assert "choose one with --format: journal-export, " in done.stderr
    assert "c.gz" in done.stderr
    assert "it is damaged behind byte" in done.stderr
    assert "2 entries stored, 1 refused" in done.stderr
    messages = [one["entry"]["message"] for one in stored(tmp_path / "data")]
    assert messages[-2:] == ["good", "good, too"]
    assert "Traceback" not in done.stderr


def test_killed_on_both_sides_it_goes_on_and_doubles_nothing(tmp_path: Path) -> None:
    lines = 100_000
    log = tmp_path / "big.jsonl"
    log.write_text("".join(f'{{"message":"line","n":{number}}}\n' for number in range(lines)))
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    with ServerProcess(tmp_path / "data", ("http",)) as server:
        for side in ("client", "server", "client"):
            before = journal_bytes(server.data_dir)
            importing = subprocess.Popen(
                command(url_of(server), str(log)), stderr=subprocess.DEVNULL, env=environment
            )
            while importing.poll() is None and journal_bytes(server.data_dir) == before:
                pass
            if side == "server":
                server.kill()
                server.start()
            else:
                importing.send_signal(signal.SIGKILL)
            importing.wait(timeout=LIMIT_S)
        done = run(tmp_path, url_of(server), str(log))
        assert done.returncode == 0, done.stderr
        numbers = [json.loads(line)["entry"]["n"] for line in server.journal_lines()]
    assert numbers == list(range(lines))


def test_imported_entries_are_no_sign_of_life(tmp_path: Path) -> None:
    log = tmp_path / "old.jsonl"
    log.write_text('{"level":"error","message":"long ago","source":"boiler"}\n' * 100)
    with AppThread(tmp_path / "data", ("http",)) as server:
        assert run(tmp_path, url_of(server), str(log)).returncode == 0
        server.until(lambda: server.app.sources.position >= 100)
        assert server.call(lambda: server.app.sources.document(10))["sources"] == []


def test_live_views_leave_imported_entries_out_unless_asked(tmp_path: Path) -> None:
    log = tmp_path / "old.jsonl"
    log.write_text('{"message":"long ago"}\n')
    with AppThread(tmp_path / "data", ("http",)) as server:
        assert run(tmp_path, url_of(server), str(log)).returncode == 0
        with closing(http.client.HTTPConnection("127.0.0.1", server.port("http"), timeout=LIMIT_S)) as asked:
            asked.request("POST", "/api/entries", '{"message":"now"}')
            assert asked.getresponse().read().startswith(b'{"stored": 1')
        assert first_message(server, "after=-1") == "now"
        assert first_message(server, "after=-1&listener=import") == "long ago"


def first_message(server: AppThread, query: str) -> str:
    """The message of the first live event."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port("http"), timeout=LIMIT_S)) as asked:
        asked.request("GET", f"/api/tail?{query}")
        answer = asked.getresponse()
        while not (line := answer.readline()).startswith(b"data: "):
            assert line
        return str(json.loads(line.removeprefix(b"data: "))["message"])


@pytest.mark.parametrize(
    "query",
    ["import=", "import=a&window=b%20c", "source=x", "imported=a.log", "import=" + "x" * 300],
)
def test_a_wrong_parameter_is_refused(tmp_path: Path, query: str) -> None:
    with AppThread(tmp_path / "data", ("http",)) as server:
        done = subprocess.run(
            ["curl", "-s", f"{url_of(server)}/api/entries?{query}", "-d", "{}"],
            capture_output=True,
            text=True,
            check=True,
        )
    assert "error" in json.loads(done.stdout)
    assert stored(tmp_path / "data") == []
