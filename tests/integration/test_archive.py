"""Old files are packed by the server and by commands; everything that reads gets the same lines."""

import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from logboom.testing.server_kit import ServerProcess

LINES = 6000


def logboom(*words: object) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "logboom", *map(str, words)]
    return subprocess.run(command, capture_output=True, timeout=60, check=False)


def page(server: ServerProcess, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.ports['http']}{path}", timeout=30) as answer:
        return bytes(answer.read())


def filled(server: ServerProcess) -> None:
    for start in range(0, LINES, 1000):
        body = b"".join(
            b'{"level":"INFO","message":"line %d of a text that repeats itself","n":%d}\n' % (number, number)
            for number in range(start, start + 1000)
        )
        request = urllib.request.Request(f"http://127.0.0.1:{server.ports['http']}/api/entries", body)
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert json.load(answer)["stored"] == 1000


def sealed(data_dir: Path, count: int) -> bool:
    manifest = data_dir / "journal" / "segments.manifest"
    return manifest.exists() and manifest.read_bytes().count(b'"event":"sealed"') >= count


@pytest.mark.parametrize(("form", "suffix"), [("zstd", ".jsonl.zst"), ("parquet", ".parquet")])
def test_a_packed_journal_answers_as_the_plain_one(tmp_path: Path, form: str, suffix: str) -> None:
    config = tmp_path / "logboom.toml"
    config.write_text(
        f'[journal]\nsegment_bytes_max = 200000\n[archive]\npack_after_s = 0.001\nformat = "{form}"\n'
    )
    asked = (
        "/api/entries?q=message:%22line%2077%22&limit=5",
        "/api/entries?after=10&limit=50",
        "/api/export.jsonl",
        "/api/volume?since=2000-01-01",
    )
    data_dir = tmp_path / "data"
    with ServerProcess(data_dir, ("http",), (f"--config={config}",)) as server:
        filled(server)
        before = {path: page(server, path) for path in asked[:3]}
        until = time.monotonic() + 60
        while not sealed(data_dir, 2) and time.monotonic() < until:
            time.sleep(0.02)
        assert server.stop() == 0
    plain = {path.name: path.read_bytes() for path in sorted((data_dir / "journal").glob("*.jsonl"))}
    everything = b"".join(plain.values())

    found = logboom("pack", "--now", "--config", config, "--data-dir", data_dir)
    assert found.returncode == 0, found.stderr
    packed = sorted((data_dir / "journal").glob(f"*{suffix}"))
    assert len(packed) >= 2
    assert found.stdout.count(suffix.encode()) == len(packed)
    assert logboom("cat", "--data-dir", data_dir).stdout == everything
    part = logboom("cat", "n:4321", "--data-dir", data_dir).stdout
    assert json.loads(part)["entry"]["n"] == 4321
    assert logboom("cat", "--from", 10, "--to", 12, "--data-dir", data_dir).stdout.count(b"\n") == 2
    assert logboom("verify", "--data-dir", data_dir).returncode == 0
    assert b"times smaller" in logboom("storage", "--data-dir", data_dir).stdout

    with ServerProcess(data_dir, ("http",), (f"--config={config}",)) as server:
        assert {path: page(server, path) for path in asked[:3]} == before
        until = time.monotonic() + 60
        while not (storage := json.loads(page(server, "/api/storage")))["bytes"] and time.monotonic() < until:
            time.sleep(0.02)
        assert (storage["packed"]["segments"], storage["packed"]["ratio"] > 2) == (len(packed), True)
        assert storage["plain"]["bytes"] + storage["packed"]["lines_bytes"] == len(everything)
        assert json.loads(page(server, asked[3]))["total"] == LINES
        refused = logboom("pack", "--data-dir", data_dir)
        assert (refused.returncode, b"another" in refused.stderr) == (1, True)
        assert server.stop() == 0

    copy = tmp_path / "restored"
    (data_dir / "journal" / f"00000000000000000000{suffix}.part").write_bytes(b"half")
    restored = logboom("restore", data_dir, "--data-dir", copy)
    assert (restored.returncode, b"all good" in restored.stdout) == (0, True)
    assert logboom("cat", "--data-dir", copy).stdout == everything
    again = logboom("restore", data_dir, "--data-dir", copy)
    assert (again.returncode, b"has a journal already" in again.stderr) == (1, True)
    assert b"there is no journal" in logboom("restore", tmp_path, "--data-dir", tmp_path / "x").stderr

    assert logboom("unpack", "--data-dir", data_dir).returncode == 0
    assert {name: (data_dir / "journal" / name).read_bytes() for name in plain} == plain


def test_a_running_server_packs_on_request_and_goes_on_storing(tmp_path: Path) -> None:
    config = tmp_path / "logboom.toml"
    config.write_text("[journal]\nsegment_bytes_max = 200000\n")
    data_dir = tmp_path / "data"
    with ServerProcess(data_dir, ("http",), (f"--config={config}",)) as server:
        filled(server)
        until = time.monotonic() + 60
        while not sealed(data_dir, 2) and time.monotonic() < until:
            time.sleep(0.02)
        server.kill()
    everything = b"".join(path.read_bytes() for path in sorted((data_dir / "journal").glob("*.jsonl")))
    server = ServerProcess(data_dir, ("http",), (f"--config={config}",)).start()
    journal = data_dir / "journal"
    requested = logboom("pack", "--now", "--data-dir", data_dir)
    assert (requested.returncode, b"the running server packs" in requested.stderr) == (0, True)
    until = time.monotonic() + 60
    while not list(journal.glob("*.parquet")) and time.monotonic() < until:
        time.sleep(0.02)
    server.kill()  # a packed file is there, and its plain form is, too
    with ServerProcess(data_dir, ("http",), (f"--config={config}",)) as server:
        assert logboom("cat", "--data-dir", data_dir).stdout.startswith(everything)
        found = json.loads(page(server, "/api/storage"))
        assert (found["entries"], found["packing"]["after_s"]) == (LINES, 7 * 86_400)
        filled(server)
        assert server.stop() == 0
    assert logboom("verify", "--data-dir", data_dir).returncode == 0
    stored = logboom("cat", "--data-dir", data_dir).stdout
    assert stored.startswith(everything)
    assert stored.count(b"\n") == 2 * LINES
