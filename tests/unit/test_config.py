"""Layers of settings, and what is said about wrong ones."""

import os
import re
from pathlib import Path
from typing import Any

import pytest

from logboom.config import LOCAL_FILE, PROFILES, load, local_file, merge, parse, set_path
from logboom.errors import ConfigError
from logboom.outputs.registry import make_outputs
from logboom.receivers.gateway import GatewaySettings
from logboom.settings import Settings


def load_with(environment: dict[str, str] | None = None, **more: Any) -> Settings:
    return load(environment=environment or {}, **more)


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    return tmp_path / "logboom.toml"


# --- layers ---


@pytest.mark.parametrize(
    ("name", "port", "host"),
    [("device", 5000, "0.0.0.0"), ("gateway", 6000, "0.0.0.0"), ("collector", 9000, "0.0.0.0")],
)
def test_the_defaults_are_the_wire_contracts(name: str, port: int, host: str) -> None:
    listener = load_with().active_listeners[name]
    assert (listener.protocol, listener.port, listener.host, listener.ack) == (name, port, host, "synced")


def test_limits_of_the_wire_contracts() -> None:
    listeners = load_with().listeners
    assert listeners["device"].line_bytes_max == 16384
    assert listeners["device"].idle_warn_s == 30.0
    assert listeners["device"].idle_close_s == 0.0
    assert listeners["gateway"].idle_close_s == 60.0
    assert listeners["gateway"].line_bytes_max == 65536
    assert listeners["collector"].line_bytes_max == listeners["http"].line_bytes_max == 1 << 20
    assert not any(one.rate_limit_enabled for one in listeners.values())
    collector = load_with(profile="collector").listeners["collector"]
    assert collector.rate_limit_enabled
    assert (collector.rate_limit_requests_max, collector.rate_limit_window_s) == (100, 60.0)


def test_each_layer_wins_over_the_one_before(toml: Path) -> None:
    toml.write_text("[listeners.device]\nport = 1\nhost = '1.1.1.1'\nidle_warn_s = 1\n")
    environment = {"LOGBOOM_LISTENERS__DEVICE__PORT": "2", "LOGBOOM_LISTENERS__DEVICE__HOST": "2.2.2.2"}
    flags = {"listeners": {"device": {"port": 3}}}
    device = load_with(environment, file=toml, flags=flags).listeners["device"]
    assert (device.port, device.host, device.idle_warn_s) == (3, "2.2.2.2", 1.0)
    assert device.line_bytes_max == 16384


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_is_good(profile: str, tmp_path: Path) -> None:
    settings = load_with(profile=profile)
    assert settings.active_listeners
    make_outputs(settings.outputs, tmp_path)


@pytest.mark.parametrize("profile", ["device", "collector"])
def test_a_profile_starts_its_own_listener_only(profile: str) -> None:
    assert list(load_with(profile=profile).active_listeners) == [profile]


def test_the_gateway_profile_shows_its_health_to_the_network() -> None:
    listeners = load_with(profile="gateway").active_listeners
    assert {name: one.port for name, one in listeners.items()} == {
        "gateway": 6000,
        "http": 8080,
        "health": 5000,
    }
    assert [
        name for name, one in listeners.items() if one.protocol == "http" and one.host != "127.0.0.1"
    ] == ["health"]
    assert listeners["health"].health_open
    assert listeners["health"].host == "0.0.0.0"


def test_environment_values_become_what_the_setting_is() -> None:
    settings = load_with(
        {
            "LOGBOOM_DATA_DIR": "/var/lib/x",
            "LOGBOOM_ONLY": '["device","gateway"]',
            "LOGBOOM_JOURNAL__FREE_BYTES_MIN": "123",
            "LOGBOOM_LISTENERS__DEVICE__STORE": "false",
            "LOGBOOM_LISTENERS__DEVICE__IDLE_CLOSE_S": "1.5",
            "LOGBOOM_LISTENERS__COLLECTOR__RATE_LIMIT_ENABLED": "no",
            "UNRELATED": "x",
        }
    )
    assert settings.data_dir == "/var/lib/x"
    assert list(settings.active_listeners) == ["device", "gateway"]
    assert settings.journal.free_bytes_min == 123
    assert settings.listeners["device"].store is False
    assert settings.listeners["device"].idle_close_s == 1.5
    assert settings.listeners["collector"].rate_limit_enabled is False


def test_a_new_listener_needs_protocol_and_port(toml: Path) -> None:
    toml.write_text("[listeners.roof]\nprotocol = 'gateway'\nport = 6001\n")
    roof = load_with(file=toml).listeners["roof"]
    assert roof == GatewaySettings(protocol="gateway", port=6001)


def test_loading_twice_brings_the_same() -> None:
    load_with(flags={"listeners": {"device": {"port": 1}}})
    assert load_with().listeners["device"].port == 5000


# --- the collector's own names ---


def collector(environment: dict[str, str]) -> Settings:
    return load_with(environment, profile="collector")


def test_the_collectors_environment() -> None:
    settings = collector(
        {
            "SERVER_HOST": "127.0.0.1",
            "SERVER_PORT": "9999",
            "BUFFER_SIZE": "4096",
            "MIN_LOG_LEVEL": "WARNING",
            "ENABLE_LOG_PERSISTENCE": "true",
            "LOG_DIR": "/tmp/logs",
            "LOG_FILENAME": "other.log",
            "RATE_LIMIT_ENABLED": "true",
            "RATE_LIMIT_MAX_REQUESTS": "7",
            "RATE_LIMIT_WINDOW_SECONDS": "30",
        }
    )
    one = settings.listeners["collector"]
    assert (one.host, one.port, one.level_min, one.store) == ("127.0.0.1", 9999, "WARNING", True)
    assert (one.rate_limit_enabled, one.rate_limit_requests_max, one.rate_limit_window_s) == (True, 7, 30.0)
    assert (settings.outputs["text"]["folder"], settings.outputs["text"]["path"]) == (
        "/tmp/logs",
        "other.log",
    )


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        *((word, True) for word in ("true", "1", "yes", "Yes", "TRUE")),
        *((word, False) for word in ("false", "0", "no", "NO", "off", "on", "disabled")),
    ],
)
def test_the_collectors_booleans(word: str, meaning: bool, tmp_path: Path) -> None:
    settings = collector({"RATE_LIMIT_ENABLED": word, "ENABLE_LOG_PERSISTENCE": word})
    assert settings.listeners["collector"].rate_limit_enabled is meaning
    assert settings.listeners["collector"].store is meaning
    assert bool(make_outputs(settings.outputs, tmp_path)) is meaning


def test_the_collectors_values_may_be_padded_or_empty() -> None:
    one = collector({"SERVER_PORT": " 9999 ", "MIN_LOG_LEVEL": "", "RATE_LIMIT_ENABLED": " "}).listeners[
        "collector"
    ]
    usual = collector({}).listeners["collector"]
    assert (one.port, one.level_min) == (9999, usual.level_min)
    assert one.rate_limit_enabled is usual.rate_limit_enabled


def test_without_the_profile_the_collectors_names_mean_nothing() -> None:
    assert load_with({"SERVER_PORT": "1"}).listeners["collector"].port == 9000


def test_our_names_win_over_the_collectors() -> None:
    settings = collector({"SERVER_PORT": "1", "LOGBOOM_LISTENERS__COLLECTOR__PORT": "2"})
    assert settings.listeners["collector"].port == 2


# --- what is said about mistakes ---


@pytest.mark.parametrize(
    ("table", "parts"),
    [
        ({"journal": {"segment_bytes_max": 5}}, ["journal.segment_bytes_max", "found 5", ">= 65536"]),
        ({"listeners": {"device": {"port": 70000}}}, ["listeners.device.port", "found 70000", "65535"]),
        ({"listeners": {"device": {"port": "x"}}}, ["listeners.device.port", "found 'x'", "`int`"]),
        (
            {"listeners": {"device": {"ack": "maybe"}}},
            ["listeners.device.ack", "found 'maybe'"],
        ),
        (
            {"listeners": {"device": {"prot": 1}}},
            ["listeners.device.prot: unknown setting", "did you mean"],
        ),
        ({"listeners": {"device": {"zzz": 1}}}, ["listeners.device.zzz: unknown setting", "allowed are"]),
        ({"log_format": "xml"}, ["log_format", "found 'xml'"]),
        ({"data_dri": "x"}, ["data_dri: unknown setting", "did you mean 'data_dir'?"]),
        ({"only": ["nope"]}, ["only", "no listener 'nope'", "device", "gateway"]),
        ({"listeners": {"device": {"level_min": "LOUD"}}}, ["level_min", "'LOUD'", "such as DEBUG"]),
        ({"listeners": {"Bad Name": {"protocol": "device", "port": 1}}}, ["listeners.Bad Name", "letter"]),
        ({"listeners": {"roof": {"port": 1}}}, ["listeners.roof", "protocol"]),
        ({"listeners": 5}, ["listeners", "expected tables"]),
        ({"outputs": {"x": 5}}, ["outputs", "expected tables"]),
        ({"journal": 5}, ["journal", "object"]),
        ({"shutdown_s": 0}, ["shutdown_s", "found 0", "> 0"]),
    ],
)
def test_an_error_names_the_key_what_was_found_and_what_is_allowed(
    table: dict[str, Any], parts: list[str]
) -> None:
    with pytest.raises(ConfigError, match=re.escape(parts[0])) as caught:
        load_with(flags=table)
    for part in parts:
        assert part in str(caught.value), str(caught.value)


def test_an_unknown_variable_is_an_error() -> None:
    with pytest.raises(ConfigError, match="LOGBOOM_DATADIR: unknown setting; allowed are data_dir"):
        load_with({"LOGBOOM_DATADIR": "x"})


def test_what_an_orchestrator_sets_beside_a_service_of_our_name_is_no_setting() -> None:
    links = {
        "LOGBOOM_SERVICE_HOST": "10.0.0.5",
        "LOGBOOM_SERVICE_PORT": "5000",
        "LOGBOOM_SERVICE_PORT_DEVICE": "5000",
        "LOGBOOM_PORT": "tcp://10.0.0.5:5000",
        "LOGBOOM_PORT_5000_TCP": "tcp://10.0.0.5:5000",
        "LOGBOOM_PORT_5000_TCP_ADDR": "10.0.0.5",
    }
    assert load_with(links) == load_with({})
    with pytest.raises(ConfigError, match="LOGBOOM_PORT: unknown setting"):
        load_with({"LOGBOOM_PORT": "5000"})


def test_an_unknown_profile_is_an_error() -> None:
    with pytest.raises(ConfigError, match="profile: found 'nope', expected one of device"):
        load_with(profile="nope")


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"can't read the configuration file .*none\.toml: No such file"):
        load_with(file=tmp_path / "none.toml")


@pytest.mark.parametrize("content", [b"port = = 5", b"\xff\xfe"])
def test_a_file_that_is_no_toml_is_an_error(toml: Path, content: bytes) -> None:
    toml.write_bytes(content)
    with pytest.raises(ConfigError, match="is not TOML"):
        load_with(file=toml)


def test_a_path_through_a_value_is_an_error() -> None:
    with pytest.raises(ConfigError, match="is not a table"):
        load_with({"LOGBOOM_DATA_DIR": "x", "LOGBOOM_DATA_DIR__X": "1"})


def test_merging_goes_down_into_tables() -> None:
    base = {"a": {"b": 1, "c": {"d": 2}}, "e": 3}
    merge(base, {"a": {"c": {"f": 4}}, "e": {"g": 5}})
    assert base == {"a": {"b": 1, "c": {"d": 2, "f": 4}}, "e": {"g": 5}}


def test_setting_a_path_makes_the_tables() -> None:
    table: dict[str, Any] = {}
    set_path(table, ["a", "b", "c"], 1)
    assert table == {"a": {"b": {"c": 1}}}


def test_nothing_configured_is_good() -> None:
    settings = parse({})
    assert settings.active_listeners == {}
    assert settings.outputs == {}


# --- the working directory's own file


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    file = tmp_path / LOCAL_FILE
    file.write_text('name = "x"\n')
    file.chmod(0o644)
    return file


def test_the_file_of_the_folder_is_found(own_file: Path) -> None:
    assert local_file(own_file.parent) == (own_file, "")


def test_no_file_is_no_trouble(tmp_path: Path) -> None:
    assert local_file(tmp_path) == (None, "")


@pytest.mark.parametrize("mode", [0o664, 0o666, 0o602, 0o777])
def test_a_file_that_others_can_write_is_refused_and_the_fix_named(own_file: Path, mode: int) -> None:
    own_file.chmod(mode)
    found, refused = local_file(own_file.parent)
    assert found is None
    assert f"others may write it; run chmod go-w {own_file}" in refused


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_or_link_of_another_user_is_refused(own_file: Path) -> None:
    os.chown(own_file, 12345, -1)
    assert "it belongs to another user" in local_file(own_file.parent)[1]
    os.chown(own_file, 0, -1)
    own_file.rename(own_file.with_name("real.toml"))
    own_file.symlink_to("real.toml")
    assert local_file(own_file.parent) == (own_file, "")
    os.lchown(own_file, 12345, -1)
    assert "it belongs to another user" in local_file(own_file.parent)[1]


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / LOCAL_FILE).mkdir()
    assert "not a regular file" in local_file(tmp_path)[1]


@pytest.mark.parametrize("level", ["0", "3", "9"])
def test_a_number_that_means_several_levels_is_no_minimum(level: str) -> None:
    with pytest.raises(ConfigError, match="level_min"):
        load(environment={"LOGBOOM_LISTENERS__COLLECTOR__LEVEL_MIN": level})
