"""Every setting, declared once: TOML, environment, command line and the reference page derive from here.

Outputs and alerts declare their own settings next to their code (`outputs.registry`, `ops.alerts`); here they
are plain tables. `config` puts the layers together. What is not marked `RELOADED` counts at the start only.
"""

from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_type_hints

import msgspec
from msgspec import Meta

from logboom.formats.levels import number_of, severity

Table = dict[str, Any]

Port = Annotated[int, Meta(ge=0, le=65535)]
Positive = Annotated[int, Meta(ge=1)]
Natural = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(ge=0)]

RELOADED: Final = Meta(extra={"reloaded": "yes"})
"""Marks a setting that SIGHUP takes over. All others wait for a restart, and the operational log names them."""

LINE_BYTES_MIN: Final = 64
"""Smallest limit for lines: shorter ones could not hold an entry."""

LineBytes = Annotated[
    int,
    Meta(
        ge=0,
        le=1 << 20,
        description="Longest line or object, bytes, at least 64; longer ones are refused. 0: the default.",
    ),
    RELOADED,
]
FrameBytes = Annotated[
    int, Meta(ge=64, le=64 << 20, description="Longest frame or message, bytes; longer ones are refused.")
]
Duplicates = Annotated[
    Literal["drop", "mark", "keep"],
    Meta(
        description="Lines with `boot_seq` and `seq` that a device sends again within 10 minutes. `drop`: "
        "acknowledged, and stored once; what may come from another device is stored with a mark. `mark`: stored "
        "again, with a mark. `keep`: stored again."
    ),
    RELOADED,
]
BodyBytes = Annotated[
    int, Meta(ge=1 << 16, le=256 << 20, description="Longest body over HTTP, unpacked, bytes."), RELOADED
]


class JournalSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[journal]`: the durable log itself."""

    segment_bytes_max: Annotated[
        int, Meta(ge=1 << 16, description="A segment file is sealed at this size, bytes.")
    ] = 256 << 20
    segment_age_max_s: Annotated[
        float, Meta(gt=0, description="A segment file is sealed at this age, seconds.")
    ] = 86400.0
    retention_age_s: Annotated[
        Seconds, Meta(description="Sealed segments older than this are deleted, seconds. 0: kept forever.")
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
    deduplication_window_s: Annotated[
        float,
        Meta(
            gt=0,
            description="How long the key of a stored entry is remembered, seconds: an entry that is sent again with "
            "it within this time is stored once.",
        ),
    ] = 86400.0
    deduplication_bytes_max: Annotated[
        Natural,
        Meta(description="Memory for remembered keys, bytes; the oldest are forgotten first."),
    ] = 64 << 20


class ArchiveSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[archive]`: packing of old segments."""

    pack_after_s: Annotated[
        Seconds,
        Meta(
            description="Sealed segments older than this are packed, seconds; `logboom cat` reads them. 0: never."
        ),
    ] = 7 * 86400.0
    format: Annotated[
        Literal["parquet", "zstd"],
        Meta(
            description="Form of packed segments: `parquet`, columns that give back each line byte for byte, with the "
            "extra `archive`, otherwise `zstd`, lines that `zstdgrep` reads."
        ),
    ] = "parquet"
    level: Annotated[
        int,
        Meta(ge=1, le=19, description="Compression level of zstd: higher ones are smaller and take longer."),
    ] = 9


class SqlSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[sql]`: limits of each SQL query."""

    time_s_max: Annotated[
        float, Meta(gt=0, le=3600, description="A query is ended after this time, seconds.")
    ] = 60.0
    memory_bytes_max: Annotated[
        int, Meta(ge=64 << 20, description="Memory of a query, bytes; one that needs more is refused.")
    ] = 512 << 20


class ReceiverSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Fields of every `[listeners.NAME]`, whatever its transport."""

    protocol: Annotated[
        str, Meta(description="Name of the receiver, such as `device`; by default the listener's own name.")
    ]
    ack: Annotated[
        Literal["received", "written", "synced", "replicated"],
        Meta(
            description="When the peer is answered: once the entry is received, written, safe on this disk, or also "
            "safe on a majority of the servers of `[cluster]`."
        ),
    ] = "synced"
    store: Annotated[bool, Meta(description="Store the entries. Off: check and answer only.")] = True
    bytes_per_s_max: Annotated[
        Natural,
        Meta(
            description="Bytes per second of one peer address; a faster one is read more slowly. 0: no limit."
        ),
        RELOADED,
    ] = 0
    lines_per_s_max: Annotated[
        Natural,
        Meta(
            description="Lines per second of one peer address; a faster one is read more slowly. 0: no limit."
        ),
        RELOADED,
    ] = 0
    duplicates: Duplicates = "keep"
    level_min: Annotated[
        str,
        Meta(description="Entries below this level are answered but not stored. Empty: all are stored."),
        RELOADED,
    ] = ""
    rate_limit_enabled: Annotated[
        bool, Meta(description="Limit the lines of each peer address."), RELOADED
    ] = False
    rate_limit_requests_max: Annotated[
        Positive, Meta(description="Lines of one peer address per window."), RELOADED
    ] = 100
    rate_limit_window_s: Annotated[
        float, Meta(gt=0, description="Length of the window, seconds."), RELOADED
    ] = 60.0

    @property
    def on_loopback(self) -> bool:
        """True if only this machine can connect."""
        return True

    @property
    def serves_entries(self) -> bool:
        """True if stored entries can be read through the listener."""
        return False

    @property
    def needs_token(self) -> bool | None:
        """True or False as configured; None: no token, unless the listener serves entries to a network."""
        return False

    def __post_init__(self) -> None:
        size = getattr(self, "line_bytes_max", LINE_BYTES_MIN)
        if size == 0:
            defaults = {one.name: one.default for one in msgspec.structs.fields(type(self))}
            setattr(self, "line_bytes_max", defaults["line_bytes_max"])  # noqa: B010 - of a subclass
        elif size < LINE_BYTES_MIN:
            raise ValueError(f"`line_bytes_max` is {size}, expected 0 or at least {LINE_BYTES_MIN}")
        number = number_of(self.level_min)
        if self.level_min and (severity(self.level_min) is None or (number is not None and number < 10)):
            raise ValueError(
                f"`level_min` is {self.level_min!r}, expected a level such as DEBUG, INFO, WARNING or ERROR"
            )


class ListenerSettings(ReceiverSettings, kw_only=True, forbid_unknown_fields=True):
    """Fields of every listener that binds a port."""

    port: Annotated[
        Port, Meta(description="Port; by default the standard one of the protocol. 0: any free one.")
    ]
    host: Annotated[
        str, Meta(description="Address to bind; several with commas; `*` is every IPv4 and IPv6 address.")
    ] = "0.0.0.0"
    auth: Annotated[
        Literal["auto", "none", "token"],
        Meta(
            description="Whether clients need a token. `auto`: where stored entries can be read, unless the "
            "listener is bound to loopback only; elsewhere not, since the devices of the source systems have none."
        ),
    ] = "auto"
    connections_max: Annotated[
        Positive, Meta(description="Open connections; further ones are rejected."), RELOADED
    ] = 20_000
    connections_per_address_max: Annotated[
        Positive,
        Meta(description="Open connections of one peer address, so that none takes all places."),
        RELOADED,
    ] = 10_000
    allow: Annotated[
        list[str],
        Meta(description="Networks that may connect, such as `192.168.0.0/16`. Empty: all."),
        RELOADED,
    ] = []
    deny: Annotated[
        list[str], Meta(description="Networks that may not connect, even where allowed."), RELOADED
    ] = []
    proxy_from: Annotated[
        list[str],
        Meta(
            description="Networks of proxies that send a PROXY header, version 1 or 2, such as `10.0.0.5/32`: "
            "from these it is required, and the client's address in it is the one that counts; from others it is "
            "never read. Empty: none."
        ),
        RELOADED,
    ] = []
    tls_cert: Annotated[
        str,
        Meta(
            description="Certificate, a PEM file with the chain; with `tls_key`, the port accepts TLS only."
        ),
        RELOADED,
    ] = ""
    tls_key: Annotated[str, Meta(description="Its private key, a PEM file without a password."), RELOADED] = (
        ""
    )
    tls_client_ca: Annotated[
        str,
        Meta(description="PEM file: clients need a certificate signed by one of these. Empty: none."),
        RELOADED,
    ] = ""

    @property
    def on_loopback(self) -> bool:
        """True if only this machine can connect."""
        hosts = [part.strip().strip("[]") for part in self.host.split(",")]
        return all(host in ("localhost", "::1") or host.startswith("127.") for host in hosts)

    @property
    def needs_token(self) -> bool | None:
        """See `ReceiverSettings`."""
        return None if self.auth == "auto" else self.auth == "token"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("allow", "deny", "proxy_from"):
            for text in getattr(self, name):
                _check_network(name, text)
        if bool(self.tls_cert) != bool(self.tls_key) or (self.tls_client_ca and not self.tls_cert):
            raise ValueError("TLS needs `tls_cert` and `tls_key`, both; `tls_client_ca` needs them, too")


class TcpSettings(ListenerSettings, kw_only=True, forbid_unknown_fields=True):
    """Fields of every listener that serves a protocol over TCP."""

    idle_warn_s: Annotated[
        Seconds,
        Meta(description="Warn in the operational log after this long without data, seconds. 0: never."),
        RELOADED,
    ] = 0.0
    idle_close_s: Annotated[
        Seconds,
        Meta(description="Close a connection after this long without data, seconds. 0: never."),
        RELOADED,
    ] = 0.0

    @property
    def takes_http(self) -> bool:
        """True if the port serves connections that speak HTTP, too."""
        return False


def _check_network(name: str, text: str) -> None:
    try:
        ip_network(text, strict=False)
    except ValueError as error:
        raise ValueError(
            f"`{name}` has {text!r}, expected a network such as 192.168.0.0/16: {error}"
        ) from None


class RefusedSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[refused]`: lines that were refused, kept to be looked at."""

    bytes_max: Annotated[
        Natural, Meta(description="Size of all refused lines that are kept, bytes. 0: none are kept.")
    ] = 4 << 20


class HealthSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[health]`: what `/api/health` and `/readyz` call well."""

    idle_warn_s: Annotated[
        Seconds,
        Meta(description="`/api/health` warns after this long without TCP activity, seconds. 0: never."),
        RELOADED,
    ] = 600.0
    output_lag_max: Annotated[
        Natural,
        Meta(
            description="`/readyz` fails while an output is this many entries behind. 0: never, "
            "since entries are safe in the journal meanwhile."
        ),
        RELOADED,
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
        float,
        Meta(gt=0, description="Time to answer and to flush what is in flight after SIGTERM, seconds."),
        RELOADED,
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
        str, Meta(description="File with the hashes of the tokens. Empty: `tokens.json` in `data_dir`.")
    ] = ""
    journal: JournalSettings = msgspec.field(default_factory=JournalSettings)
    archive: ArchiveSettings = msgspec.field(default_factory=ArchiveSettings)
    sql: SqlSettings = msgspec.field(default_factory=SqlSettings)
    health: HealthSettings = msgspec.field(default_factory=HealthSettings)
    refused: RefusedSettings = msgspec.field(default_factory=RefusedSettings)
    alerts: Table = {}
    cluster: Table = {}
    listeners: dict[str, Any] = {}
    """By name, each the settings type of its receiver, a `ReceiverSettings`."""
    outputs: dict[str, Table] = {}

    @property
    def tokens_path(self) -> Path:
        """File with the hashes of the tokens."""
        return Path(self.tokens_file or Path(self.data_dir, "tokens.json"))

    def needs_token(self, name: str) -> bool:
        """Return whether the clients of a listener must show a token."""
        listener: ReceiverSettings = self.listeners[name]
        if listener.needs_token is not None:
            return listener.needs_token
        return listener.serves_entries and not (listener.on_loopback or self.insecure)

    @property
    def active_listeners(self) -> dict[str, Any]:
        """The listeners that are to be started."""
        return {name: self.listeners[name] for name in self.only or self.listeners}


@cache
def reloadable(struct: type) -> frozenset[str]:
    """Return the fields of a settings type that SIGHUP takes over."""
    hints = get_type_hints(struct, include_extras=True)
    return frozenset(name for name, hint in hints.items() if RELOADED in getattr(hint, "__metadata__", ()))
