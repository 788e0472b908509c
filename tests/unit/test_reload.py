"""SIGHUP: each setting that was changed is in force afterwards, or named as waiting for a restart."""

import asyncio
import io
import typing
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from logboom.app import App
from logboom.config import differences, merge, parse, set_path
from logboom.ops.alerts.alert_settings import AlertsSettings, rule_sections
from logboom.ops.oplog import OperationalLog
from logboom.outputs.registry import OUTPUTS
from logboom.receivers.registry import receiver
from logboom.settings import (
    ArchiveSettings,
    HealthSettings,
    JournalSettings,
    ListenerSettings,
    Settings,
    SqlSettings,
    reloadable,
)
from logboom.testing.ports import free_port
from tests.kit.app_kit import run_scenario

LISTENERS = {"collector": 9000, "grpc": 9021, "http": 8080}
OWN_SECTION = {"journal", "health", "alerts", "listeners", "outputs"}
SPECIAL: dict[str, dict[str, Any]] = {
    "only": {"only": ["http"]},
    "protocol": {"protocol": "device"},
    "allow": {"allow": ["10.0.0.0/8"]},
    "deny": {"deny": ["10.0.0.0/8"]},
    "proxy_from": {"proxy_from": ["10.0.0.5/32"]},
    "level_min": {"level_min": "ERROR"},
    "tls_cert": {"tls_cert": "other.pem"},
    "tls_key": {"tls_key": "other.key"},
    "notify": {"notify": ["json://127.0.0.1/hook"]},
    "targets": {"targets": ["json://127.0.0.1/hook"]},
    "listeners": {"listeners": ["collector"]},
    "used_share_max": {"used_share_max": 0.5},
    "share_min": {"share_min": 0.5},
    "protocols": {"protocols": ["http"]},
    "line_bytes_max": {"line_bytes_max": 999},
    "file_mode": {"file_mode": "0600"},
}
"""Where one more, or another word, would be no good value."""

OUTPUT_NEEDS: dict[str, dict[str, Any]] = {
    "jetstream": {"urls": ["nats://127.0.0.1:4222"]},
    "postgres": {"url": "postgresql://127.0.0.1/logboom"},
    "redis": {"url": "redis://127.0.0.1"},
    "sqlite": {"path": "x.db"},
}
OUTPUT_SPECIAL: dict[str, dict[str, Any]] = {
    "jetstream.urls": {"urls": ["nats://127.0.0.2:4222"]},
    "redis.url": {"url": "redis://127.0.0.2"},
    "redis.token": {"url": "https://127.0.0.1", "token": "x"},
    "postgres.url": {"url": "postgresql://127.0.0.2/logboom"},
}


def other(value: Any, hint: Any) -> Any:
    """Another value of the same kind."""
    base = typing.get_args(hint)[0] if typing.get_origin(hint) is typing.Annotated else hint
    if typing.get_origin(base) is typing.Literal:
        return next(word for word in typing.get_args(base) if word != value)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return ["other"] if isinstance(value, list) else "other"


def changes(struct: type, before: Any, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The dotted name of each field, and a table that changes it."""
    hints = typing.get_type_hints(struct, include_extras=True)
    for name in struct.__struct_fields__:  # type: ignore[attr-defined]
        if typing.get_origin(hints[name]) is not typing.Annotated or name == "type":
            continue  # a section of its own; another type of output is another output
        value = SPECIAL.get(name) or {name: other(getattr(before, name), hints[name])}
        yield f"{where}{name}", value


def every_field() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Dotted name, the table of its section that changes it, and what stands there before."""
    for name, value in changes(Settings, Settings(), ""):
        yield name, value, {}
    sections: dict[str, type] = {
        "journal": JournalSettings,
        "archive": ArchiveSettings,
        "sql": SqlSettings,
        "health": HealthSettings,
        "alerts": AlertsSettings,
    }
    rules = rule_sections()
    query_rule = rules.pop("NAME")
    mine = msgspec.convert({"query": "pump"}, query_rule)
    for name, value in changes(query_rule, mine, "alerts.rules.mine."):
        yield name, value, {"query": "pump"}
    sections |= {f"alerts.rules.{name}": rule for name, rule in rules.items()}
    for where, section in sections.items():
        for name, value in changes(section, section(), f"{where}."):
            yield name, value, {}
    for listener, port in LISTENERS.items():
        own = receiver(listener).settings
        before = msgspec.convert({"protocol": listener, "port": port}, own)
        for name, value in changes(own, before, f"listeners.{listener}."):
            tls = {"tls_cert": "a.pem", "tls_key": "a.key"} if "tls" in name else {}
            yield name, value, tls
    for kind, (struct, *_) in OUTPUTS.items():
        table = {"type": kind, **OUTPUT_NEEDS.get(kind, {"path": "x.log"})}
        for name, value in changes(struct, msgspec.convert(table, struct), "outputs.out."):
            special = OUTPUT_SPECIAL.get(f"{kind}.{name.rpartition('.')[2]}", value)
            yield name, special, table


FIELDS = list(every_field())


def table_of(name: str, before: dict[str, Any]) -> dict[str, Any]:
    sections = {key: {"protocol": key, "port": port} for key, port in LISTENERS.items()}
    table: dict[str, Any] = {"listeners": sections}
    if before:
        over: dict[str, Any] = {}
        set_path(over, name.split(".")[:-1], dict(before))
        merge(table, over)
    return table


def reloaded(old: Settings, new: Settings) -> str:
    """What a server with the settings `old` says when it is told to take over `new`."""
    stream = io.StringIO()
    log = OperationalLog(stream=stream)
    App(old, log).reload(lambda: new)
    log.close()
    return stream.getvalue().strip().partition(" 💬 ")[2]


def in_force(settings: Settings, name: str) -> Any:
    found: Any = settings
    for key in name.split("."):
        found = found[key] if isinstance(found, dict) else getattr(found, key)
    return found


@pytest.mark.parametrize(
    ("name", "value", "before"),
    FIELDS,
    ids=[f"{name}-{before.get('type', '')}" for name, _, before in FIELDS],
)
def test_a_changed_setting_is_taken_over_or_named(
    name: str, value: dict[str, Any], before: dict[str, Any]
) -> None:
    running, table = parse(table_of(name, before)), table_of(name, before)
    over: dict[str, Any] = dict(value)
    if "." in name:
        over = {}
        set_path(over, name.split(".")[:-1], dict(value))
    merge(table, over)
    fresh = parse(table)
    said = reloaded(running, fresh)
    assert said.startswith("reloaded"), said
    if said == "reloaded":
        assert in_force(running, name) == in_force(fresh, name)
        assert name.rpartition(".")[0] in (
            "",
            "health",
            "alerts.rules.mine",
            *(f"listeners.{one}" for one in LISTENERS),
        )
    else:
        named = said.removeprefix("reloaded; these wait for a restart: ").split(", ")
        extra = {f"{name.rpartition('.')[0]}.{key}" for key in value} if "." in name else {name}
        if name.endswith(".protocol"):
            extra = {name.rpartition(".")[0]}  # another protocol is another listener
        assert set(named) == extra
        if not name.startswith(("outputs.", "alerts.")):
            assert in_force(running, name) != in_force(fresh, name)


def test_there_are_many_of_both_kinds() -> None:
    assert len(FIELDS) > 150
    assert reloadable(Settings) == {"shutdown_s"}
    assert reloadable(HealthSettings) == set(HealthSettings.__struct_fields__)
    assert len(reloadable(ListenerSettings)) > 12
    assert "frame_bytes_max" in reloadable(receiver("collector").settings)
    assert "frame_bytes_max" not in reloadable(receiver("grpc").settings)


def test_nothing_changed_and_nothing_waits() -> None:
    assert reloaded(parse(table_of("", {})), parse(table_of("", {}))) == "reloaded"


PLAIN = {"tls_cert": "", "tls_key": "", "tls_client_ca": ""}
SECURED = {**PLAIN, "tls_cert": "a.pem", "tls_key": "a.key"}
ASKING = {**SECURED, "tls_client_ca": "ca.pem"}


@pytest.mark.parametrize(
    ("listener", "before", "after", "waiting"),
    [
        ("collector", PLAIN, ASKING, ["tls_cert", "tls_client_ca", "tls_key"]),
        ("http", SECURED, PLAIN, ["tls_cert", "tls_key"]),
        ("grpc", PLAIN, SECURED, ["tls_cert", "tls_key"]),
        ("grpc", SECURED, ASKING, []),
        ("grpc", ASKING, SECURED, []),
        ("collector", SECURED, ASKING, []),
    ],
)
def test_tls_is_switched_by_a_restart_only(
    listener: str, before: dict[str, str], after: dict[str, str], waiting: list[str]
) -> None:
    running = parse(table_of(f"listeners.{listener}.x", before))
    said = reloaded(running, parse(table_of(f"listeners.{listener}.x", after)))
    names = ", ".join(f"listeners.{listener}.{key}" for key in waiting)
    assert said == ("reloaded; these wait for a restart: " * bool(waiting) + names or "reloaded")
    settings = running.listeners[listener]
    assert {key: getattr(settings, key) for key in PLAIN} == {
        key: (before if key in waiting else after)[key] for key in PLAIN
    }


def test_a_listener_or_an_output_that_is_new_is_named_as_a_whole() -> None:
    table = table_of("", {})
    table["listeners"]["second"] = {"protocol": "device", "port": 5001}
    table["outputs"] = {"all": {"type": "jsonl", "path": "all.jsonl"}}
    said = reloaded(parse(table_of("", {})), parse(table))
    assert said == "reloaded; these wait for a restart: listeners.second, outputs.all"
    assert "listeners.second, outputs.all" in reloaded(parse(table), parse(table_of("", {})))


def test_what_waits_is_named_again_until_the_restart() -> None:
    running, table = parse(table_of("", {})), table_of("", {})
    table["journal"] = {"retention_age_s": 60}
    for _ in range(2):
        assert reloaded(running, parse(table)).endswith(": journal.retention_age_s")
    assert reloaded(running, parse(table_of("", {}))) == "reloaded"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"outputs": {"all": {"type": "nonsense"}}}, "outputs.all.type"),
        ({"alerts": {"rules": {"disk": {"free_factor": -1}}}}, "alerts.rules.disk.free_factor"),
    ],
)
def test_a_wrong_table_changes_nothing(wrong: dict[str, Any], said: str) -> None:
    running = parse(table_of("", {}))
    stream = io.StringIO()
    log = OperationalLog(stream=stream)
    App(running, log).reload(lambda: parse({**table_of("", {}), **wrong, "shutdown_s": 3}))
    log.close()
    assert "reload: nothing was changed" in stream.getvalue()
    assert said in stream.getvalue()
    assert running.shutdown_s == Settings().shutdown_s


def test_differences_of_tables_are_named_by_their_path() -> None:
    assert list(differences({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 1, "c": 3}, "e": 4})) == [
        "a.c",
        "d",
        "e",
    ]


def test_a_reload_creates_nothing(tmp_path: Path) -> None:
    table = {**table_of("", {}), "data_dir": str(tmp_path / "data")}
    fresh = {**table, "outputs": {"all": {"type": "jsonl", "path": str(tmp_path / "out" / "all.jsonl")}}}
    reloaded(parse(table), parse(fresh))
    assert list(tmp_path.iterdir()) == []


def test_a_listener_that_starts_again_after_a_reload_keeps_its_port_and_has_the_new_limits(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        port, other_port = free_port(), free_port()
        table: dict[str, Any] = {"data_dir": str(tmp_path)}
        device = {"protocol": "device", "host": "127.0.0.1", "port": port}
        app = App(parse({**table, "listeners": {"device": device}}), OperationalLog(stream=io.StringIO()))
        await app.start()
        tls = {"tls_cert": "absent.pem", "tls_key": "absent.key"}
        changed = {**device, **tls, "port": other_port, "connections_max": 1}
        app.reload(lambda: parse({**table, "listeners": {"device": changed}}))
        listener = app.listeners["device"].service
        listener.stop()
        await listener.start()
        assert listener.ports == [port]
        _, staying = await asyncio.open_connection("127.0.0.1", port)
        reader, turned_away = await asyncio.open_connection("127.0.0.1", port)
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        turned_away.close()
        staying.close()
        await app.stop()

    run_scenario(scenario())
