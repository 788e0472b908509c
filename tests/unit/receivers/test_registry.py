"""Declarations of the receivers, and the settings that each listener takes."""

import re
from pathlib import Path

import msgspec
import pytest

import logboom.receivers
from logboom.config import parse
from logboom.errors import ConfigError
from logboom.extras import MODULES
from logboom.receivers.base import Transport
from logboom.receivers.registry import NAMES, receiver, transport_of
from logboom.servers.registry import SERVERS
from logboom.settings import ListenerSettings

FOLDER = Path(logboom.receivers.__file__).parent


def test_every_folder_is_registered_and_every_name_has_one() -> None:
    assert {path.parent.name for path in FOLDER.glob("*/__init__.py")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_declaration_is_complete(name: str) -> None:
    one = receiver(name)
    assert one.name == name
    assert 10 < len(one.summary) < 100
    assert not one.extra or one.extra in MODULES
    assert set(one.transports) <= set(SERVERS)
    binds = [transport for transport, place in one.transports.items() if place.port]
    assert bool(binds) == issubclass(one.settings, ListenerSettings)
    assert (len(one.transports) > 1) == ("transport" in one.settings.__struct_fields__)
    assert one.transport() is next(iter(one.transports))
    with pytest.raises(ValueError, match="found 'pigeon', expected one of"):
        one.transport("pigeon")


@pytest.mark.parametrize("name", NAMES)
def test_a_listener_needs_no_more_than_a_receivers_name(name: str) -> None:
    settings = parse({"listeners": {name: {}}}).listeners[name]
    assert type(settings) is receiver(name).settings
    assert settings.protocol == name
    transport = transport_of(settings)
    assert getattr(settings, "port", 0) == receiver(name).transports[transport].port


@pytest.mark.parametrize(
    ("protocol", "key"),
    [
        ("device", "frame_bytes_max"),
        ("capnp", "line_bytes_max"),
        ("grpc", "idle_close_s"),
        ("device", "health_only"),
    ],
)
def test_a_setting_that_a_protocol_does_not_have_is_refused(protocol: str, key: str) -> None:
    head = f"listeners.one.{key}: unknown setting of protocol {protocol}; "
    with pytest.raises(
        ConfigError, match=f"^{re.escape(head)}(did you mean|allowed are protocol, .*, port, )"
    ):
        parse({"listeners": {"one": {"protocol": protocol, key: 1}}})


@pytest.mark.parametrize("table", [{}, {"protocol": "pigeon"}, {"protocol": 5}])
def test_an_unknown_protocol_is_refused_with_those_that_there_are(table: dict[str, object]) -> None:
    with pytest.raises(
        ConfigError, match=r"listeners\.one\.protocol: .*, expected one of .*capnp, collector, "
    ):
        parse({"listeners": {"one": table}})


@pytest.mark.parametrize("name", NAMES)
def test_lines_have_a_default_and_a_smallest_limit(name: str) -> None:
    fields = {one.name: one for one in msgspec.structs.fields(receiver(name).settings)}
    if "line_bytes_max" not in fields:
        return
    settings = parse({"listeners": {name: {"line_bytes_max": 0}}}).listeners[name]
    assert settings.line_bytes_max == fields["line_bytes_max"].default
    with pytest.raises(ConfigError, match="`line_bytes_max` is 63, expected 0 or at least 64"):
        parse({"listeners": {name: {"line_bytes_max": 63}}})


def test_transports_are_servers() -> None:
    assert set(SERVERS) == set(Transport)
