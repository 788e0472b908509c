"""Every setting, declared once: TOML, environment, command line and the reference page derive from here.

Layers, later ones win: `profiles/default.toml` < the chosen profile < the file < the environment < flags.
Outputs declare their own settings beside their code (`outputs.registry`); here they are plain tables.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from importlib import resources
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from logboom.errors import ConfigError
from logboom.formats.levels import severity

ENVIRONMENT_PREFIX: Final = "LOGBOOM_"
PROFILES: Final = ("device", "gateway", "ordered", "collector", "live")

Table = dict[str, Any]
T = TypeVar("T")

Port = Annotated[int, Meta(ge=0, le=65535)]
Positive = Annotated[int, Meta(ge=1)]
Natural = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(ge=0)]


class JournalSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[journal]`: the durable log itself."""

    segment_bytes_max: Annotated[
        int, Meta(ge=1 << 16, description="A segment file is sealed at this size, bytes.")
    ] = 256 << 20
    segment_age_max_s: Annotated[
        float, Meta(gt=0, description="A segment file is sealed at this age, seconds.")
    ] = 86400.0
    retention_age_s: Annotated[
        Seconds, Meta(description="Sealed segments older than this are deleted, seconds. 0: kept for ever.")
    ] = 0.0
    retention_bytes_max: Annotated[
        Natural,
        Meta(
            description="The oldest sealed segments are deleted while all together are larger, bytes. 0: no limit."
        ),
    ] = 0
    free_bytes_min: Annotated[
        Natural,
        Meta(
            description="New entries are refused when the disk has less left, bytes, so that it never fills up."
        ),
    ] = 128 << 20


class ListenerSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[listeners.NAME]`: one port, one protocol."""

    protocol: Annotated[
        str, Meta(description="What the listener speaks: `device`, `gateway`, `collector`, `capnp`, …")
    ]
    port: Annotated[Port, Meta(description="TCP port. 0: any free one.")]
    host: Annotated[
        str, Meta(description="Address to bind; several with commas; `*` is every IPv4 and IPv6 address.")
    ] = "0.0.0.0"
    ack: Annotated[
        Literal["received", "written", "synced"],
        Meta(
            description="When a client gets its answer: once the entry was taken, written, or is safe on disk."
        ),
    ] = "synced"
    store: Annotated[bool, Meta(description="Keep what comes in. Off: check and answer only.")] = True
    line_bytes_max: Annotated[
        int, Meta(ge=64, le=1 << 20, description="Longest line or object, bytes; longer ones are refused.")
    ] = 16384
    frame_bytes_max: Annotated[
        int,
        Meta(ge=64, le=64 << 20, description="Longest length-prefixed frame (`capnp`, `collector`), bytes."),
    ] = 1 << 20
    auth: Annotated[
        Literal["auto", "none", "token"],
        Meta(
            description="Whether clients must show a token. `auto`: on `http` unless it is bound to loopback only; "
            "nowhere else, since the devices of the source systems have none."
        ),
    ] = "auto"
    health_only: Annotated[
        bool,
        Meta(description="`http`: serve health and metrics only; no page, no entries."),
    ] = False
    connections_max: Annotated[
        Positive, Meta(description="Connections at once; further ones are turned away.")
    ] = 20_000
    connections_per_address_max: Annotated[
        Positive,
        Meta(
            description="Connections of one client address at once, so that no single one takes every place."
        ),
    ] = 10_000
    allow: Annotated[
        list[str], Meta(description="Networks that may connect, such as `192.168.0.0/16`. Empty: all.")
    ] = []
    deny: Annotated[list[str], Meta(description="Networks that may not connect, even where allowed.")] = []
    bytes_per_s_max: Annotated[
        Natural,
        Meta(
            description="Bytes a second of one client address; a faster one is read more slowly. 0: no limit."
        ),
    ] = 0
    lines_per_s_max: Annotated[
        Natural,
        Meta(
            description="Lines a second of one client address; a faster one is read more slowly. 0: no limit."
        ),
    ] = 0
    idle_warn_s: Annotated[
        Seconds,
        Meta(description="Warn in the operational log after this long without data, seconds. 0: never."),
    ] = 0.0
    idle_close_s: Annotated[
        Seconds, Meta(description="Close a connection after this long without data, seconds. 0: never.")
    ] = 0.0
    level_min: Annotated[
        str, Meta(description="Entries below this level are answered but not kept. Empty: all are kept.")
    ] = ""
    rate_limit_enabled: Annotated[bool, Meta(description="Limit the lines of each client address.")] = False
    rate_limit_requests_max: Annotated[
        Positive, Meta(description="Lines of one client address a window.")
    ] = 100
    rate_limit_window_s: Annotated[float, Meta(gt=0, description="Length of the window, seconds.")] = 60.0
    tls_cert: Annotated[
        str,
        Meta(description="Certificate, a PEM file with the chain; with `tls_key`, the port speaks TLS only."),
    ] = ""
    tls_key: Annotated[str, Meta(description="Its private key, a PEM file without a password.")] = ""
    tls_client_ca: Annotated[
        str, Meta(description="PEM file: clients must show a certificate signed by one of these. Empty: none.")
    ] = ""

    @property
    def on_loopback(self) -> bool:
        """Whether nobody but this machine can reach it."""
        hosts = [part.strip().strip("[]") for part in self.host.split(",")]
        return all(host in ("localhost", "::1") or host.startswith("127.") for host in hosts)

    @property
    def serves_entries(self) -> bool:
        """Whether stored entries can be read through it."""
        return self.protocol == "http" and not self.health_only

    def __post_init__(self) -> None:
        for name in ("allow", "deny"):
            for text in getattr(self, name):
                _check_network(name, text)
        if bool(self.tls_cert) != bool(self.tls_key) or (self.tls_client_ca and not self.tls_cert):
            raise ValueError("TLS needs `tls_cert` and `tls_key`, both; `tls_client_ca` comes beside them")
        if self.level_min and severity(self.level_min) is None:
            raise ValueError(
                f"`level_min` is {self.level_min!r}, expected a level such as DEBUG, INFO, WARNING or ERROR"
            )


def _check_network(name: str, text: str) -> None:
    try:
        ip_network(text, strict=False)
    except ValueError as error:
        raise ValueError(
            f"`{name}` has {text!r}, expected a network such as 192.168.0.0/16: {error}"
        ) from None


class HealthSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[health]`: what `/api/health` and `/readyz` call well."""

    idle_warn_s: Annotated[
        Seconds,
        Meta(description="`/api/health` warns after this long without TCP activity, seconds. 0: never."),
    ] = 600.0
    output_lag_max: Annotated[
        Natural,
        Meta(
            description="`/readyz` fails while an output is this many entries behind. 0: never, "
            "since entries are safe in the journal meanwhile."
        ),
    ] = 0


class Settings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The top level."""

    data_dir: Annotated[
        str, Meta(description="Folder of the journal and of everything else that is kept.")
    ] = "logboom-data"
    name: Annotated[
        str,
        Meta(
            max_length=64, description="Stands before each line of the operational log. Empty: nothing does."
        ),
    ] = ""
    log_format: Annotated[
        Literal["text", "json"],
        Meta(description="The operational log on stderr: lines for people, or JSON lines."),
    ] = "text"
    only: Annotated[list[str], Meta(description="Names of the listeners to start. Empty: all.")] = []
    shutdown_s: Annotated[
        float, Meta(gt=0, description="Time to answer and to flush what is in flight after SIGTERM, seconds.")
    ] = 10.0
    insecure: Annotated[
        bool, Meta(description="Let `http` be open to the network without a token. For networks you trust.")
    ] = False
    confine: Annotated[
        bool,
        Meta(
            description="Let the kernel (Landlock, Linux 5.19 or later) hold the server to its data directory and its "
            "outputs' folders: it writes nowhere else, and starts no program."
        ),
    ] = False
    tokens_file: Annotated[
        str, Meta(description="Where the tokens' hashes are. Empty: `tokens.json` in `data_dir`.")
    ] = ""
    journal: JournalSettings = msgspec.field(default_factory=JournalSettings)
    health: HealthSettings = msgspec.field(default_factory=HealthSettings)
    alerts: Table = {}
    listeners: dict[str, ListenerSettings] = {}
    outputs: dict[str, Table] = {}

    @property
    def tokens_path(self) -> Path:
        """Where the tokens' hashes are."""
        return Path(self.tokens_file or Path(self.data_dir, "tokens.json"))

    def needs_token(self, name: str) -> bool:
        """Whether the clients of a listener must show a token."""
        listener = self.listeners[name]
        if listener.auth != "auto":
            return listener.auth == "token"
        return listener.serves_entries and not (listener.on_loopback or self.insecure)

    @property
    def active_listeners(self) -> dict[str, ListenerSettings]:
        """The listeners that are to be started."""
        return {name: self.listeners[name] for name in self.only or self.listeners}


def load(
    *,
    profile: str | None = None,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Table | None = None,
) -> Settings:
    """Put the layers together and check the result.

    Args:
        profile: one of `PROFILES`.
        file: a TOML file.
        environment: variables; `os.environ` by default.
        flags: what the command line sets, shaped like the TOML file.

    Raises:
        ConfigError: something is wrong; the text names the key, what was found and what is allowed.
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


def parse(table: Table) -> Settings:
    """Check a whole configuration. Raises `ConfigError`."""
    listeners = _section(table, "listeners")
    outputs = _section(table, "outputs")
    journal = convert(table.get("journal", {}), JournalSettings, "journal")
    health = convert(table.get("health", {}), HealthSettings, "health")
    sections = ("listeners", "outputs", "journal", "health")
    settings = convert({key: value for key, value in table.items() if key not in sections}, Settings, "")
    settings.journal, settings.health = journal, health
    settings.outputs = outputs
    for name, section in listeners.items():
        _check_name("listeners", name)
        settings.listeners[name] = convert(section, ListenerSettings, f"listeners.{name}")
    for name in outputs:
        _check_name("outputs", name)
    for name in settings.only:
        if name not in settings.listeners:
            raise ConfigError(
                f"only: there is no listener {name!r}; there are {', '.join(sorted(settings.listeners))}"
            )
    return settings


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


def convert(table: Any, struct: type[T], where: str) -> T:
    """Make a settings object of a table; strings from the environment become numbers and booleans.

    Args:
        table: keys and values.
        struct: what to make.
        where: the table's own key, for error texts.

    Raises:
        ConfigError: names the key, what was found and what is allowed.
    """
    try:
        return msgspec.convert(table, struct, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(str(error), table, struct, where)) from None


def _explain(text: str, table: Any, struct: type, where: str) -> str:
    message, _, path = text.partition(" - at `$.")
    key = path.rstrip("`")
    full = ".".join(part for part in (where, key) if part)
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", message)
    if unknown:
        word = unknown[1]
        allowed = list(struct.__struct_fields__)  # type: ignore[attr-defined]
        near = difflib.get_close_matches(word, allowed, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"allowed are {', '.join(allowed)}"
        return f"{'.'.join(part for part in (where, word) if part)}: unknown setting; {hint}"
    if isinstance(table, dict) and key in table:
        return f"{full}: found {table[key]!r}. {message}"
    return f"{full}: {message}" if full else message


def merge(base: Table, over: Table) -> None:
    """Lay `over` onto `base`, table by table."""
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
        if not variable.startswith(ENVIRONMENT_PREFIX):
            continue
        path = variable.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
        if path[0] not in Settings.__struct_fields__:
            raise ConfigError(
                f"{variable}: unknown setting; allowed are {', '.join(Settings.__struct_fields__)}"
            )
        set_path(table, path, _value(text))
    return table


def _from_foreign_names(names: dict[str, list[str]], variables: Mapping[str, str]) -> Table:
    """The environment names of a source system, as its profile maps them to settings."""
    table: Table = {}
    for variable, targets in names.items():
        if variable in variables:
            for target in targets:
                set_path(table, target.split("."), _value(variables[variable]))
    return table


def _value(text: str) -> Any:
    if text.strip().lower() in ("yes", "no"):  # the source systems' words for what TOML calls true and false
        return text.strip().lower() == "yes"
    if text[:1] == "[":
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError:
            return text
    return text


def set_path(table: Table, path: list[str], value: Any) -> None:
    """Set `value` at a path of keys, making the tables on the way."""
    for key in path[:-1]:
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            raise ConfigError(f"{'.'.join(path)}: {key} is not a table")
    table[path[-1]] = value
