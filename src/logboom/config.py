"""Loading of the configuration: merges its layers and validates the result. Settings are declared in `settings`.

Layers, later ones take precedence: `profiles/default.toml` < the profile < the file < the environment < flags.
"""

import difflib
import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from logboom.errors import ConfigError
from logboom.formats.redaction import redacted
from logboom.receivers import registry
from logboom.settings import (
    ArchiveSettings,
    HealthSettings,
    JournalSettings,
    ReceiverSettings,
    RefusedSettings,
    Settings,
    SqlSettings,
    Table,
    reloadable,
)

ENVIRONMENT_PREFIX: Final = "LOGBOOM_"
CLIENTS_VARIABLES: Final = frozenset({"LOGBOOM_TOKEN", "LOGBOOM_REDIS_TOKEN"})
"""Variables of clients, which are not settings of a server that may run in the same environment."""
LOCAL_FILE: Final = "logboom.toml"
"""Configuration file in the working directory that is read by default."""
PROFILES: Final = tuple(
    sorted(
        name
        for name, _, end in (
            one.name.rpartition(".") for one in resources.files("logboom.profiles").iterdir()
        )
        if end == "toml" and name != "default"
    )
)
"""Names of the ready configurations, each the name of its file."""

T = TypeVar("T")

_ORCHESTRATORS: Final = re.compile(
    r"LOGBOOM_(SERVICE_HOST=.*|SERVICE_PORT(_\w+)?=.*|PORT(_\d+_\w+)?=(tcp|udp)://.*|PORT_\d+_\w+=.*)"
)
"""Variables that Kubernetes and Docker set in containers next to a service with the name `logboom`."""

_SWITCHES: Final = frozenset({"enabled", "store", "rate_limit_enabled"})
"""Boolean settings. With their foreign names, all values except true, 1 and yes mean false."""


def load(
    *,
    profile: str | None = None,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Table | None = None,
) -> Settings:
    """Merge the layers and validate the result.

    Args:
        profile: one of `PROFILES`.
        file: a TOML file.
        environment: variables; `os.environ` by default.
        flags: settings from the command line, structured like the TOML file.

    Raises:
        ConfigError: a setting is not valid; the text has the key, the value and what is allowed.
    """
    variables = os.environ if environment is None else environment
    table = _read_profile("default")
    if profile is not None:
        chosen = _read_profile(profile)
        names = chosen.pop("environment", {})
        merge(table, chosen)
        merge(table, _from_foreign_names(names, variables))
    if file is not None:
        merge(table, _read_file(file))
    merge(table, _from_environment(variables))
    merge(table, flags or {})
    return parse(table)


def local_file(folder: Path = Path()) -> tuple[Path | None, str]:
    """Find the configuration file of a folder, if it can be trusted.

    With write access to the settings of a server, it can be made to write files and run programs: the file, and a link
    to it, must belong to the user or to root, and no other user may be able to write it.

    Returns:
        The file or None, and the reason for which an existing file is not read, else an empty text.
    """
    path = folder / LOCAL_FILE
    try:
        found, link = path.stat(), path.lstat()
    except FileNotFoundError:
        return None, ""
    except OSError as error:
        return None, f"{path} is not read: {error.strerror}"
    hint = f"or name it with --config {path}"
    if not {found.st_uid, link.st_uid} <= {os.geteuid(), 0}:
        return None, f"{path} is not read: it belongs to another user; {hint} where you trust that user"
    if not stat.S_ISREG(found.st_mode):
        return None, f"{path} is not read: it is not a regular file"
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return None, f"{path} is not read: others may write it; run chmod go-w {path}, {hint}"
    return path, ""


def default_listeners() -> dict[str, Any]:
    """The listeners of a server without any configuration."""
    return parse(_read_profile("default")).listeners


def parse(table: Table) -> Settings:
    """Validate a whole configuration. Raises `ConfigError`."""
    listeners = _section(table, "listeners")
    outputs = _section(table, "outputs")
    journal = convert(table.get("journal", {}), JournalSettings, "journal")
    archive = convert(table.get("archive", {}), ArchiveSettings, "archive")
    sql = convert(table.get("sql", {}), SqlSettings, "sql")
    health = convert(table.get("health", {}), HealthSettings, "health")
    refused = convert(table.get("refused", {}), RefusedSettings, "refused")
    sections = ("listeners", "outputs", "journal", "archive", "sql", "health", "refused")
    settings = convert({key: value for key, value in table.items() if key not in sections}, Settings, "")
    settings.journal, settings.archive, settings.sql = journal, archive, sql
    settings.health, settings.refused = health, refused
    settings.outputs = outputs
    for name, section in listeners.items():
        _check_name("listeners", name)
        settings.listeners[name] = _listener_settings(name, section)
    for name in outputs:
        _check_name("outputs", name)
    for name in settings.only:
        if name not in settings.listeners:
            raise ConfigError(
                f"only: there is no listener {name!r}; there are {', '.join(sorted(settings.listeners))}"
            )
    return settings


def _listener_settings(name: str, table: Table) -> ReceiverSettings:
    """Check the table of one listener. Raises `ConfigError`.

    The protocol is by default the listener's own name, and the port the protocol's standard one.
    """
    where, protocol = f"listeners.{name}", table.get("protocol", name if name in registry.NAMES else None)
    if protocol not in registry.NAMES:
        found = f"found {protocol!r}" if "protocol" in table else "missing"
        raise ConfigError(f"{where}.protocol: {found}, expected one of {', '.join(sorted(registry.NAMES))}")
    kind = registry.receiver(protocol)
    try:
        transport = kind.transport(str(table.get("transport", "")))
    except ValueError as error:
        raise ConfigError(f"{where}.transport: {error}") from None
    defaults = {"protocol": protocol}
    if "port" in kind.settings.__struct_fields__:
        defaults["port"] = kind.transports[transport].port
    return convert({**defaults, **table}, kind.settings, where, owner=f"protocol {protocol}")


def _section(table: Table, key: str) -> dict[str, Table]:
    section = table.get(key, {})
    if not isinstance(section, dict) or not all(isinstance(value, dict) for value in section.values()):
        raise ConfigError(f"{key}: expected tables such as [{key}.NAME]")
    return section


def _check_name(section: str, name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,31}", name):
        raise ConfigError(
            f"{section}.{name}: a name starts with a letter, then come up to 31 lower-case letters, digits, _ or -"
        )


def convert(table: Any, struct: type[T], where: str, owner: str = "") -> T:
    """Convert a table to a settings object; strings from the environment become numbers and booleans.

    Args:
        table: keys and values.
        struct: type of the settings object.
        where: key of the table, for error texts.
        owner: name of the part with these settings, if that is not clear from `where`.

    Raises:
        ConfigError: a setting is not valid; the text has the key, the value and what is allowed.
    """
    try:
        return msgspec.convert(table, struct, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(str(error), table, struct, where, owner)) from None


def _explain(text: str, table: Any, struct: type, where: str, owner: str) -> str:
    message, _, path = text.partition(" - at `$.")
    key = path.rstrip("`")
    full = ".".join(part for part in (where, key) if part)
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", message)
    if unknown:
        word = unknown[1]
        allowed = list(struct.__struct_fields__)  # type: ignore[attr-defined]
        near = difflib.get_close_matches(word, allowed, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"allowed are {', '.join(allowed)}"
        of = f" of {owner}" if owner else ""
        return f"{'.'.join(part for part in (where, word) if part)}: unknown setting{of}; {hint}"
    if isinstance(table, dict) and key in table:
        return f"{full}: found {redacted(table[key], key)!r}. {message}"
    return f"{full}: {message}" if full else message


def merge(base: Table, over: Table) -> None:
    """Merge `over` into `base`, table by table."""
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            merge(base[key], value)
        else:
            base[key] = value


def _read_profile(name: str) -> Table:
    if name != "default" and name not in PROFILES:
        raise ConfigError(f"profile: found {name!r}, expected one of {', '.join(PROFILES)}")
    text = resources.files("logboom.profiles").joinpath(f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _read_file(path: Path) -> Table:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"can't read the configuration file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error


def _from_environment(variables: Mapping[str, str]) -> Table:
    """`LOGBOOM_LISTENERS__DEVICE__PORT=5001` sets `listeners.device.port`."""
    table: Table = {}
    for variable, text in sorted(variables.items()):
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable in CLIENTS_VARIABLES:
            continue
        if _ORCHESTRATORS.fullmatch(f"{variable}={text}"):
            continue
        path = variable.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
        if path[0] not in Settings.__struct_fields__:
            raise ConfigError(
                f"{variable}: unknown setting; allowed are {', '.join(Settings.__struct_fields__)}"
            )
        set_path(table, path, _value(text))
    return table


def _from_foreign_names(names: dict[str, list[str]], variables: Mapping[str, str]) -> Table:
    """Settings from environment variables of a replaced system, by the names in its profile."""
    table: Table = {}
    for variable, targets in names.items():
        text = variables.get(variable, "").strip()
        for target in targets if text else ():  # Compose passes unset variables as empty ones
            path = target.split(".")
            set_path(
                table, path, text.lower() in ("true", "1", "yes") if path[-1] in _SWITCHES else _value(text)
            )
    return table


def _value(text: str) -> Any:
    if text.strip().lower() in ("yes", "no"):  # words of the replaced systems for true and false
        return text.strip().lower() == "yes"
    if text[:1] == "[":
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError:
            return text
    return text


def set_path(table: Table, path: list[str], value: Any) -> None:
    """Set `value` at a path of keys, creating missing tables."""
    for key in path[:-1]:
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            raise ConfigError(f"{'.'.join(path)}: {key} is not a table")
    table[path[-1]] = value


def take_over(running: Settings, fresh: Settings) -> None:
    """Copy the settings marked as `RELOADED` from `fresh` to `running`.

    A listener gets a new settings object. New certificates are copied, but TLS is not switched on or off.
    """
    for old, new in ((running, fresh), (running.health, fresh.health)):
        for name in reloadable(type(old)):
            setattr(old, name, getattr(new, name))
    for name in running.listeners.keys() & fresh.listeners.keys():
        listener: ReceiverSettings = running.listeners[name]
        wanted: ReceiverSettings = fresh.listeners[name]
        if type(listener) is not type(wanted):
            continue  # another protocol waits for a restart
        taken = reloadable(type(listener)) - _switched(listener, wanted)
        changes = {key: getattr(wanted, key) for key in taken}
        running.listeners[name] = msgspec.structs.replace(listener, **changes)


def _switched(listener: ReceiverSettings, wanted: ReceiverSettings) -> frozenset[str]:
    """Settings of TLS that need a restart, since they switch it on or off."""
    switched = bool(getattr(listener, "tls_cert", "")) != bool(getattr(wanted, "tls_cert", ""))
    return frozenset({"tls_cert", "tls_key", "tls_client_ca"} if switched else ())


def differences(one: Any, other: Any, where: str = "") -> Iterator[str]:
    """Yield the dotted names of different settings; a table that only one side has is one name."""
    if one == other:
        return
    if isinstance(one, msgspec.Struct) and type(one) is type(other):
        one, other = msgspec.structs.asdict(one), msgspec.structs.asdict(other)
    if not (isinstance(one, dict) and isinstance(other, dict)):
        yield where
        return
    for key in sorted(one.keys() | other.keys()):
        yield from differences(one.get(key), other.get(key), f"{where}.{key}" if where else key)
