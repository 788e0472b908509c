"""`logboom serve --with`: receivers on their standard ports."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from logboom.cli import app, serve
from logboom.config import default_listeners
from logboom.errors import ConfigError
from logboom.receivers.registry import NAMES, receiver
from logboom.settings import ListenerSettings, Settings

PORTS = {name: next(iter(receiver(name).transports.values())).port for name in NAMES}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def settings(monkeypatch: pytest.MonkeyPatch, *flags: str) -> tuple[Settings, list[str]]:
    """What `logboom serve` with these flags would run, and its warnings."""
    found: list[tuple[Settings, list[str]]] = []
    monkeypatch.setattr(
        serve, "run_server", lambda load, notes: found.append((load(), [text for _, text in notes]))
    )
    result = CliRunner().invoke(app, ["serve", *flags])
    if result.exception is not None:
        raise result.exception
    return found[0]


def test_named_receivers_open_on_loopback_beside_the_usual_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = settings(monkeypatch, "--with", "splunk, elasticsearch")
    assert set(found.active_listeners) == {*default_listeners(), "splunk", "elasticsearch"}
    for name in ("splunk", "elasticsearch"):
        assert (found.listeners[name].host, found.listeners[name].port) == ("127.0.0.1", PORTS[name])


def test_all_opens_every_receiver_that_binds_a_port_and_leaves_open_ones_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found, _ = settings(monkeypatch, "--with=all", "--host=0.0.0.0")
    binding = {name for name in NAMES if issubclass(receiver(name).settings, ListenerSettings)}
    assert set(found.active_listeners) == binding | {"syslog-udp", "gelf-udp"}
    assert found.listeners["http"] == default_listeners()["http"]
    assert found.listeners["splunk"].host == "0.0.0.0"


def test_those_of_a_profile_or_of_only_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = settings(monkeypatch, "--profile=collector", "--with=splunk")
    assert list(found.active_listeners) == ["collector", "splunk"]
    found, _ = settings(monkeypatch, "--only=device", "--with=splunk,device")
    assert list(found.active_listeners) == ["device", "splunk"]


def test_a_configured_listener_keeps_its_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("[listeners.splunk]\nhost = '::1'\nport = 1\n")
    found, _ = settings(monkeypatch, "--config=own.toml", "--with=splunk")
    assert (found.listeners["splunk"].host, found.listeners["splunk"].port) == ("::1", 1)


def test_one_whose_extra_is_missing_is_left_out_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "is_missing", lambda extra: extra == "loki")
    found, warnings = settings(monkeypatch, "--with=all")
    assert "loki" not in found.active_listeners
    assert any(text.startswith("--with: loki is left out: it needs the extra `loki`") for text in warnings)


def test_an_unknown_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="--with: found 'pigeon', expected all, or some of any, beats, "):
        settings(monkeypatch, "--with=pigeon")


def test_a_receiver_of_datagrams_opens_both_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = settings(monkeypatch, "--only=device", "--with=syslog", "--listen=syslog-udp=127.0.0.1:5514")
    assert list(found.active_listeners) == ["device", "syslog", "syslog-udp"]
    assert (found.listeners["syslog"].host, found.listeners["syslog"].port) == ("127.0.0.1", 514)
    udp = found.listeners["syslog-udp"]
    assert (udp.protocol, udp.transport, udp.host, udp.port) == ("syslog", "udp", "127.0.0.1", 5514)
