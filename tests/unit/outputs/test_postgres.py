import socket
import subprocess
import sys
from pathlib import Path

import pytest

from logboom.errors import ConfigError, OutputError
from logboom.outputs import postgres_connection
from logboom.outputs.postgres_connection import PostgresConnection
from logboom.outputs.registry import make_outputs
from logboom.testing.ports import free_port
from tests.kit.postgres_kit import make_output

URL = "postgresql://me:secret@db.example:5432/logs"


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({}, r"outputs\.x: .*`url`"),
        ({"url": "mysql://me:secret@host/db"}, r"`url` has to start with postgresql://"),
        ({"url": "host/db secret"}, r"`url` has to start with postgresql://"),
        ({"url": URL, "schema": "pg_logs"}, r"`schema` is 'pg_logs'"),
        ({"url": URL, "schema": 'a"; DROP'}, r"outputs\.x\.schema"),
        ({"url": URL, "schema": ""}, r"outputs\.x\.schema"),
        ({"url": URL, "retention_age_s": -1}, r"outputs\.x\.retention_age_s"),
    ],
)
def test_wrong_settings(table: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        make_outputs({"x": {"type": "postgres", **table}}, Path("data"))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("password", ["se/cret", "se?cret", "se#cret", "se[cret", "1/cret"])
def test_a_password_that_was_not_escaped_is_not_shown(tmp_path: Path, password: str) -> None:
    output = make_output(f"postgresql://me:{password}@127.0.0.1:{free_port()}/db", tmp_path)
    with pytest.raises(OutputError, match=r"url\b|url`") as caught:
        output.open()
    assert "cret" not in str(caught.value)
    assert not output.database_state().connected
    output.close()


def test_nobody_is_there(tmp_path: Path) -> None:
    output = make_output(f"postgresql://me:secret@127.0.0.1:{free_port()}/db", tmp_path)
    with pytest.raises(
        OutputError, match=r"postgresql://127\.0\.0\.1:\d+/db: .*refused|Connect call failed"
    ) as caught:
        output.open()
    assert "secret" not in str(caught.value)
    with pytest.raises(OutputError, match="not connected"):
        output.rewind(3)
    assert output.database_state() == (False, None, None)
    output.close()


def test_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_connection, "CONNECT_TIMEOUT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://me:secret@127.0.0.1:{silent.getsockname()[1]}/db"
        with pytest.raises(OutputError, match=r"/db: no answer within 0\.1 s"):
            PostgresConnection(url)


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    output = make_output(URL, tmp_path)
    with pytest.raises(OutputError, match=r"pip install 'logboom\[postgres\]'"):
        output.open()
    output.close()


def test_the_library_loads_when_it_is_needed() -> None:
    code = "import sys, logboom.outputs.registry; sys.exit('asyncpg' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
