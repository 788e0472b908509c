"""`logboom send --as syslog` and `--as gelf`: what is sent is what is stored."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.app_kit import journal_lines
from tests.kit.app_thread import AppThread

LINES = (
    '{"level":"ERROR","message":"two\\nlines","source":"pumps","host":"north"}\n'
    "valve stuck\n"
    '{"level":"NOTICE","message":"m","pct":87}\n'
)


@pytest.mark.parametrize("protocol", ["syslog", "gelf"])
def test_what_is_sent_is_stored(tmp_path: Path, protocol: str) -> None:
    settings = {"listeners": {protocol: {"protocol": protocol}}}
    with AppThread(tmp_path, (protocol,), settings=settings) as server:
        url = f"tcp://127.0.0.1:{server.port(protocol)}"
        command = [sys.executable, "-m", "logboom", "send", "--as", protocol, "--to", url]
        done = subprocess.run(command, input=LINES, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        server.until(lambda: len(journal_lines(tmp_path)) == 3)
    first, second, third = (json.loads(line)["entry"] for line in journal_lines(tmp_path))
    assert (first["level"], first["message"], first["source"], first["host"]) == (
        "ERROR",
        "two\nlines",
        "pumps",
        "north",
    )
    assert (second["level"], second["message"]) == ("INFO", "valve stuck")
    assert (third["level"], third["attributes"]["pct"]) == ("NOTICE", 87)
