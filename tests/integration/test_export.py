"""Pictures and exports as their users meet them: over HTTP, and `logboom export`."""

import asyncio
import csv
import gzip
import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from aiohttp import ClientError, ClientSession

from logboom.app import App
from logboom.formats.records import sender
from logboom.testing.output_kit import sample_entries, write_journal
from logboom.viewer.export_file import compressed
from logboom.web import export as export_module
from logboom.web import volume as volume_module
from tests.kit.app_kit import journal_lines, port_of, run_scenario, running_app

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Scenario = Callable[[App, ClientSession], Awaitable[None]]
COUNT = 300
QUERIES = [
    {},
    {"level": "info"},
    {"source": "fe80::1"},
    {"source": "e4643048d7292c2e", "q": "rh"},
    {"listener": "collector", "q": "LINE"},
    {"since": "2025-11-12T19:08:58.950+00:00", "until": "2025-11-12T19:08:59.050+00:00"},
    {"after": "20", "before": "90"},
    {"q": "nowhere to be found"},
]


def client_of(app: App) -> ClientSession:
    return ClientSession(f"http://127.0.0.1:{port_of(app)}")


def run(data_dir: Path, scenario: Scenario, **options: Any) -> None:
    async def main() -> None:
        async with running_app(data_dir, **options) as app, client_of(app) as client:
            await scenario(app, client)

    run_scenario(main())


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory with some entries of all shapes."""
    write_journal(tmp_path / "data", sample_entries(COUNT, seed=4))
    return tmp_path / "data"


async def get(client: ClientSession, path: str, **parameters: Any) -> bytes:
    async with client.get(path, params=parameters) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.read()


def rows_of(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


# --- export over HTTP


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_an_export_has_exactly_what_is_shown(data_dir: Path, query: dict[str, str]) -> None:
    async def scenario(_: App, client: ClientSession) -> None:
        shown = json.loads(await get(client, "/api/entries", limit=10_000, **{"before": str(10**6), **query}))
        wanted = [entry["sequence"] for entry in reversed(shown["entries"])]
        rows = rows_of(await get(client, "/api/export.csv", **query))
        assert [int(row["sequence"]) for row in rows] == wanted
        for row, entry in zip(rows, reversed(shown["entries"]), strict=True):
            assert json.loads(row["entry"]) == entry["entry"]
            for name in ("received_at", "time", "source", "listener", "level", "message"):
                assert row[name] == entry[name]
            assert row["sender"] == sender(entry["entry"], entry["source"])
        stored = journal_lines(data_dir)
        lines = (await get(client, "/api/export.jsonl", **query)).split(b"\n")[:-1]
        assert lines == [stored[sequence] for sequence in wanted]

    run(data_dir, scenario)


def test_an_export_tells_its_name_its_type_and_its_range(data_dir: Path) -> None:
    async def scenario(_: App, client: ClientSession) -> None:
        for method in ("GET", "HEAD"):
            async with client.request(method, "/api/export.csv?after=9&before=50&level=info") as answer:
                assert answer.status == 200
                assert answer.content_type == "text/csv"
                assert answer.headers["Content-Disposition"] == 'attachment; filename="logboom-10-50.csv"'
                assert answer.headers["X-Logboom-First-Sequence"] == "10"
                assert answer.headers["X-Logboom-End-Sequence"] == "50"
                assert answer.headers["Cache-Control"] == "no-store"
        async with client.get("/api/export.jsonl") as answer:
            assert answer.content_type == "application/x-ndjson"
        for path in ("/api/export.xml", "/api/export.csvx"):
            assert (await client.get(path)).status == 404
        async with client.get("/api/export.csv?columns=a,,b") as answer:
            assert answer.status == 400
            assert "columns" in (await answer.json())["error"]

    run(data_dir, scenario)


def test_columns_may_be_chosen(data_dir: Path) -> None:
    async def scenario(_: App, client: ClientSession) -> None:
        columns = "sequence,sender,temp,irradiance,entry.source"
        data = await get(client, "/api/export.csv", columns=columns, q="temp=24.1")
        rows = rows_of(data)
        assert {row["sender"] for row in rows} == {"e4643048d7292c2e"}
        assert all(row["temp"] == "24.1" and float(row["irradiance"]) >= 0 for row in rows)
        assert data.startswith(b"sequence,sender,temp,irradiance,entry.source\r\n")

    run(data_dir, scenario)


def test_json_lines_may_have_chosen_fields(data_dir: Path) -> None:
    async def scenario(_: App, client: ClientSession) -> None:
        data = await get(
            client, "/api/export.jsonl", fields="sequence,sender,temp,message", q="temp:* or msg:*"
        )
        lines = list(map(json.loads, data.splitlines()))
        assert {tuple(line) for line in lines} == {
            ("sequence", "sender", "temp", "message"),
            ("sequence", "sender", "message"),
        }
        assert {line["temp"] for line in lines if "temp" in line} == {24.1}
        async with client.get("/api/export.csv?fields=a&columns=b") as answer:  # its former name
            assert (await answer.text()).splitlines()[0].lstrip("\ufeff") == "a"

    run(data_dir, scenario)


@pytest.mark.parametrize(
    ("header", "parameters", "encoding", "name"),
    [
        ("gzip", {}, "gzip", "logboom-0-300.csv"),
        ("gzip;q=1.0, zstd;q=0.5", {}, "zstd", "logboom-0-300.csv"),
        ("br, gzip;q=0", {}, "", "logboom-0-300.csv"),
        ("gzip", {"compress": "zstd"}, "", "logboom-0-300.csv.zst"),
        ("", {"compress": "gzip"}, "", "logboom-0-300.csv.gz"),
    ],
)
def test_an_export_is_compressed_on_the_way_or_as_a_file(
    data_dir: Path, header: str, parameters: dict[str, str], encoding: str, name: str
) -> None:
    async def scenario(app: App, client: ClientSession) -> None:
        plain = await get(client, "/api/export.csv")
        url = f"http://127.0.0.1:{port_of(app)}"
        headers = {"Accept-Encoding": header}
        async with (
            ClientSession(url, auto_decompress=False, headers=headers) as raw,
            raw.get("/api/export.csv", params=parameters) as answer,
        ):
            data = await answer.read()
            assert answer.headers.get("Content-Encoding", "") == encoding
            assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
            assert answer.headers["Vary"] == "Accept-Encoding"
        kind = encoding or parameters.get("compress", "")
        unpack: Callable[[bytes], bytes] = {"gzip": gzip.decompress, "zstd": zstd.decompress}.get(kind, bytes)
        unpacked = unpack(data)
        assert unpacked == plain

    run(data_dir, scenario)


def test_exports_at_once_are_bounded_and_a_client_that_goes_makes_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_module, "EXPORTS_MAX", 2)
    write_journal(tmp_path, [b'{"msg":"%b"}' % (b"x" * 10_000)] * 4000, segment_lines=10_000)

    async def scenario(app: App, client: ClientSession) -> None:
        connections = []
        for _ in range(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(app), limit=4096)
            writer.write(b"GET /api/export.csv HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"200" in await reader.readline()
            connections.append(writer)
        async with client.get("/api/export.csv") as answer:
            assert answer.status == 503
            assert int(answer.headers["Retry-After"]) > 0
            assert "2 exports" in (await answer.json())["error"]
        connections.pop().close()
        while (answer := await client.get("/api/export.jsonl?before=1")).status == 503:
            await answer.read()  # until the server has noticed
        assert answer.status == 200
        assert (await answer.read()).count(b"\n") == 1
        for writer in connections:
            writer.close()

    run(tmp_path, scenario)


def test_an_export_that_is_cut_off_is_not_taken_for_whole(tmp_path: Path) -> None:
    write_journal(tmp_path, [b'{"msg":"%b"}' % (b"x" * 10_000)] * 4000, segment_lines=10_000)

    async def main() -> None:
        async with ClientSession() as client:
            async with running_app(tmp_path) as app:
                answer = await client.get(f"http://127.0.0.1:{port_of(app)}/api/export.jsonl")
            with pytest.raises(ClientError, match="payload is not completed"):
                await answer.read()
            answer.close()

    run_scenario(main())


# --- pictures over HTTP


def test_volume_counts_what_comes(tmp_path: Path) -> None:
    async def scenario(_: App, client: ClientSession) -> None:
        for level in ("info", "error", "info"):
            async with client.post("/api/entries", json={"level": level, "v": 1}) as answer:
                assert answer.status == 200
        found = json.loads(await get(client, "/api/volume", since="10m", buckets=20))
        assert found["levels"].keys() == {"INFO", "ERROR"}
        assert sum(found["levels"]["INFO"]) == 2
        assert sum(found["levels"]["ERROR"][-2:]) == 1
        assert found["total"] == 3
        assert found["complete"] is True
        assert found["bucket_s"] == 30
        assert len(found["times"]) == len(found["levels"]["INFO"]) in (20, 21)
        assert found["times"][0] <= found["since"] < found["times"][1]
        assert found["times"][-1] <= found["until"]
        assert json.loads(await get(client, "/api/volume", level="error"))["total"] == 1
        async with client.get("/api/volume?buckets=0") as answer:
            assert answer.status == 400

    run(tmp_path, scenario)


def test_a_volume_that_takes_too_long_says_so(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volume_module, "COUNT_S_MAX", 0.0)

    async def scenario(_: App, client: ClientSession) -> None:
        found = json.loads(await get(client, "/api/volume", since="2025-11-12", until="2025-11-13"))
        assert found["complete"] is False
        assert 0 < found["total"] < COUNT

    run(data_dir, scenario)


def test_series_and_fields_show_what_was_measured(tmp_path: Path) -> None:
    async def scenario(_: App, client: ClientSession) -> None:
        for number in range(4):
            entry = {"id": "e46", "temp": 20 + number, "rh": "50.5", "lux": 127, "boot_seq": 1 + number // 2}
            async with client.post("/api/entries", json=entry) as answer:
                assert answer.status == 200
        parameters = [
            ("since", "1d"),
            ("points", "1"),
            ("field", "temp"),
            ("field", "irradiance"),
            ("source", "e46"),
        ]
        async with client.get("/api/series", params=parameters) as answer:
            found = await answer.json()
        assert answer.headers["Cache-Control"] == "no-store"
        [mean] = [value for value in found["values"]["temp"]["mean"] if value is not None]
        assert mean == 21.5
        temp = found["values"]["temp"]
        assert (max(filter(None, temp["max"])), min(filter(None, temp["min"]))) == (23, 20)
        assert 23 in temp["last"]
        assert 1.0 in found["values"]["irradiance"]["mean"]
        assert len(found["times"]) == len(temp["mean"])
        assert [boot["boot_seq"] for boot in found["boots"]] == [2]
        assert (found["gaps"], found["complete"]) == ([], True)
        fields = json.loads(await get(client, "/api/fields", since="1h"))
        assert {field["name"] for field in fields["fields"]} == {
            "temp",
            "rh",
            "lux",
            "irradiance",
            "boot_seq",
        }
        temp = next(field for field in fields["fields"] if field["name"] == "temp")
        assert temp == {"name": "temp", "count": 4, "min": 20, "max": 23, "last": 23}
        async with client.get("/api/series") as answer:
            assert answer.status == 400

    run(tmp_path, scenario)


# --- logboom export


def export(*arguments: str, cwd: Path, **options: Any) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "logboom", "export", *arguments]
    return subprocess.run(command, capture_output=True, cwd=cwd, timeout=60, check=False, **options)


async def export_from(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return await asyncio.to_thread(export, *arguments, cwd=cwd)


def test_the_command_reads_a_data_directory(data_dir: Path) -> None:
    stored = b"".join(line + b"\n" for line in journal_lines(data_dir))
    done = export("--data-dir", str(data_dir), "--format", "jsonl", cwd=data_dir)
    assert (done.returncode, done.stdout) == (0, stored)
    assert done.stderr.decode().startswith(f"{COUNT} rows, {len(stored):,} bytes in ")
    (data_dir.parent / "logboom-data").symlink_to(data_dir)
    by = ("--by", "received")
    done = export("--from", "2025-11-12", "--to", "2025-11-12", "--level", "error", *by, cwd=data_dir.parent)
    rows = rows_of(done.stdout)
    assert rows
    assert {row["level"] for row in rows} == {"ERROR"}
    assert not rows_of(export("--to", "2025-11-11", *by, cwd=data_dir.parent).stdout)


@pytest.mark.parametrize("fields", [None, "time,temp,no.such"])
def test_the_command_writes_parquet(data_dir: Path, tmp_path: Path, fields: str | None) -> None:
    file = tmp_path / "readings.parquet"
    chosen = [] if fields is None else ["--fields", fields]
    words = ("--format", "parquet", "-o", str(file), *chosen, "--data-dir", str(data_dir))
    done = export("temp:*", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with duckdb.connect() as engine:
        query = f"SELECT count(*), count(temp), typeof(any_value(temp)) FROM '{file}'"
        rows = engine.execute(query).fetchall()
        names = [name for name, *_ in engine.execute(f"DESCRIBE FROM '{file}'").fetchall()]
    expected = sum(b'"temp"' in line for line in journal_lines(data_dir))
    assert rows == [(expected, expected, "DOUBLE")]
    assert names == (fields.split(",") if fields else names)
    assert {"time", "temp"} <= set(names)
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".export")] == []


def test_the_command_reads_a_server_window_by_window(data_dir: Path, tmp_path: Path) -> None:
    code = (
        "from logboom.viewer import export_file; export_file.WINDOW_SEQUENCES = 7; "
        "from logboom.cli import main; main()"
    )

    async def scenario(app: App, client: ClientSession) -> None:
        url = f"http://127.0.0.1:{port_of(app)}"
        for form, words in (("csv", {}), ("jsonl", {"q": "LINE"}), ("csv", {"from": "2030-01-01"})):
            expected = await get(client, f"/api/export.{form}", **words)
            options = [f"{'--' if len(name) > 1 else '-'}{name}={word}" for name, word in words.items()]
            options = [option.replace("-q=", "-q") for option in options]
            command = [sys.executable, "-c", code, "export", "--url", url, "--format", form, *options]
            done = await asyncio.to_thread(
                subprocess.run, command, capture_output=True, check=True, timeout=60
            )
            assert done.stdout == expected
            rows = len(rows_of(expected)) if form == "csv" else expected.count(b"\n")
            assert done.stderr.decode().startswith(f"{rows} rows, {len(expected):,} bytes")
        refused = await export_from(tmp_path, "--url", url + "/nowhere")
        assert refused.returncode == 1
        assert b"404" in refused.stderr

    run(data_dir, scenario)


@pytest.mark.parametrize(
    ("name", "words", "unpack"),
    [
        ("a.csv.gz", [], gzip.decompress),
        ("a.CSV.ZST", [], zstd.decompress),
        ("a.gz", ["--compress", "none"], bytes),
        ("-", ["--compress", "zstd"], zstd.decompress),
    ],
)
def test_a_file_is_compressed_by_its_ending_or_as_asked(
    data_dir: Path, tmp_path: Path, name: str, words: list[str], unpack: Callable[[bytes], bytes]
) -> None:
    plain = export("--data-dir", str(data_dir), "type:heartbeat", "--fields", "time,boot_seq", cwd=tmp_path)
    words = ["--data-dir", str(data_dir), "type:heartbeat", "--columns", "time,boot_seq", *words]
    done = export(*words, "-o", name, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert unpack(done.stdout if name == "-" else (tmp_path / name).read_bytes()) == plain.stdout
    assert plain.stdout.startswith(b"time,boot_seq\r\n")


def test_a_compressed_export_that_breaks_off_is_noticed() -> None:
    file = io.BytesIO()

    def break_off() -> None:
        with compressed(file, "gzip") as packed:
            packed.write(b"some rows\n" * 1000)
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        break_off()
    with pytest.raises(EOFError, match="ended before"):
        gzip.decompress(file.getvalue())


def test_a_file_appears_only_when_it_is_whole(data_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("what was there before")
    done = export("--url", "http://127.0.0.1:1", "--output", str(path), cwd=tmp_path)
    assert done.returncode == 3
    assert path.read_text() == "what was there before"
    done = export("--data-dir", str(data_dir), "--output", str(path), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, b"")
    assert len(rows_of(path.read_bytes())) == COUNT
    assert sorted(tmp_path.iterdir()) == [data_dir, path]
    done = export("--data-dir", str(data_dir), "--output", str(tmp_path / "no" / "out.csv"), cwd=tmp_path)
    assert done.returncode == 1
    assert b"can't write" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--data-dir", "nowhere"], 1),
        (["--from", "someday"], 2),
        (["--level", "loud"], 2),
        (["--data-dir", "x", "--url", "y"], 2),
        (["--url", "http://127.0.0.1:1"], 3),
        (["--fields", "a,,b"], 2),
        (["--compress", "rar"], 2),
    ],
    ids=str,
)
def test_what_goes_wrong_has_its_exit_code(tmp_path: Path, arguments: list[str], code: int) -> None:
    done = export(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, b"")
    assert done.stderr
    assert b"Traceback" not in done.stderr


def test_a_terminal_sees_the_progress_and_the_data_stays_clean(data_dir: Path, tmp_path: Path) -> None:
    master, terminal = pty.openpty()
    try:
        command = [
            sys.executable,
            "-m",
            "logboom",
            "export",
            "--data-dir",
            str(data_dir),
            "--format",
            "jsonl",
        ]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=terminal, timeout=60, check=True)
        shown = os.read(master, 65536)
    finally:
        os.close(master)
        os.close(terminal)
    assert done.stdout.split(b"\n")[:-1] == journal_lines(data_dir)
    assert b"300 rows" in shown or b"entries" in shown


def test_a_reader_that_stops_early_is_no_error(tmp_path: Path) -> None:
    write_journal(tmp_path, [b'{"msg":"%b"}' % (b"x" * 1000)] * 2000, segment_lines=10_000)
    command = f"{sys.executable} -m logboom export --data-dir {tmp_path} | head -c 100 | wc -c; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=60, check=True)
    assert done.stdout.split() == [b"100", b"0"]
    assert b"Traceback" not in done.stderr
