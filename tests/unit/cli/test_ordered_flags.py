"""The ordered log server's flags on `logboom serve`."""

import io

import pytest
from typer.testing import CliRunner

from logboom.cli import app, serve
from logboom.errors import ConfigError
from logboom.ops.oplog import OperationalLog
from logboom.settings import Settings


def settings(monkeypatch: pytest.MonkeyPatch, *flags: str) -> Settings:
    """What `logboom serve` with these flags would run."""
    found: list[Settings] = []
    monkeypatch.setattr(serve, "run_server", lambda load_settings, _notes: found.append(load_settings()))
    result = CliRunner().invoke(app, ["serve", *flags])
    if result.exception is not None:
        raise result.exception
    return found[0]


def test_the_profile_has_the_documents_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(monkeypatch, "--profile=ordered")
    listeners = found.active_listeners
    assert found.name == "LogServer"
    assert [(name, one.host, one.port) for name, one in listeners.items()] == [
        ("capnp", "127.0.0.1", 9020),
        ("grpc", "127.0.0.1", 9021),
    ]
    [output] = found.outputs.values()
    assert output == {
        "type": "columns",
        "folder": "logs",
        "path": "_main.log",
        "max_file_bytes": 1 << 20,
        "backup_count": 10,
    }


def test_the_documents_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    flags = ["--name", "MyLogServer", "--host", "0.0.0.0", "--port", "9120", "--grpc_port", "9121"]
    found = settings(monkeypatch, "--profile=ordered", *flags)
    assert found.name == "MyLogServer"
    listeners = found.active_listeners
    assert (listeners["capnp"].host, listeners["capnp"].port) == ("0.0.0.0", 9120)
    assert (listeners["grpc"].host, listeners["grpc"].port) == ("0.0.0.0", 9121)


@pytest.mark.parametrize("flag", ["--tcp_only", "--tcp-only"])
def test_tcp_only_leaves_grpc_out(monkeypatch: pytest.MonkeyPatch, flag: str) -> None:
    assert list(settings(monkeypatch, "--profile=ordered", flag).active_listeners) == ["capnp"]


@pytest.mark.parametrize("flags", [["--tcp_only"], ["--grpc_port=1"], ["--profile=collector", "--tcp_only"]])
def test_elsewhere_they_are_refused(monkeypatch: pytest.MonkeyPatch, flags: list[str]) -> None:
    with pytest.raises(ConfigError, match="belong to --profile ordered"):
        settings(monkeypatch, *flags)


@pytest.mark.parametrize(
    ("name", "start"), [("LogServer", "LogServer : TCP"), ("", "TCP"), ("a\nb", "a\\nb : TCP")]
)
def test_the_name_stands_before_each_line(name: str, start: str) -> None:
    stream = io.StringIO()
    log = OperationalLog(name=name, stream=stream)
    log.event("listening", "TCP server listening on 127.0.0.1:9020 (capnp)")
    log.close()
    [line] = stream.getvalue().splitlines()
    assert line.split("✅ ")[1].startswith(start)
