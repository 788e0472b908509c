"""`[alerts]`: which troubles are told, to whom, and how patient each rule is."""

import re
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from logboom.config import convert
from logboom.errors import ConfigError
from logboom.extras import require
from logboom.ops.alerts.names import target_names
from logboom.settings import Table

CRITICAL: Final = "critical"
WARNING: Final = "warning"

TARGETS_MAX: Final = 20
"""Each target has a thread while there is something to send."""

Severity = Annotated[
    Literal["critical", "warning"],
    Meta(description="How bad it is: the first means that entries are, or soon will be, refused."),
]
ForSeconds = Annotated[
    float, Meta(ge=0, description="The trouble must last for so long before it is told, seconds.")
]
ClearSeconds = Annotated[
    float, Meta(ge=0, description="It must be gone for so long before that is told, seconds.")
]


class RuleSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What every rule has."""

    enabled: Annotated[bool, Meta(description="Off: the rule is not looked at.")] = True
    severity: Severity = "warning"
    for_s: ForSeconds = 0.0
    clear_s: ClearSeconds = 0.0


class ListenerDown(RuleSettings, kw_only=True, forbid_unknown_fields=True):
    """`[alerts.rules.listener_down]`: a listener has died; it is started again by itself."""

    severity: Severity = "critical"
    clear_s: ClearSeconds = 10.0


class Inactive(RuleSettings, kw_only=True, forbid_unknown_fields=True):
    """`[alerts.rules.inactive]`: nobody connects or sends; after `health.idle_warn_s`, as `/api/health` has it."""


class SourceSilent(RuleSettings, kw_only=True, forbid_unknown_fields=True):
    """`[alerts.rules.source_silent]`: a source is silent for longer than it ever was."""

    silent_s_min: Annotated[
        float, Meta(gt=0, description="No shorter silence is told, seconds, however often a source speaks.")
    ] = 60.0
    factor: Annotated[
        float, Meta(ge=1, description="How many times its longest pause so far a source must be silent.")
    ] = 1.5
    ignore: Annotated[
        list[str],
        Meta(
            description="Sources that may fall silent, such as `backup-*`: patterns of names, "
            "with `*`, `?` and `[abc]`."
        ),
    ] = []


class DiskShort(RuleSettings, kw_only=True, forbid_unknown_fields=True):
    """`[alerts.rules.disk]`: the journal can't store (always `critical`), or its disk gets full."""

    clear_s: ClearSeconds = 60.0
    free_factor: Annotated[
        float,
        Meta(ge=0, description="Tell when less is free than so many times `journal.free_bytes_min`."),
    ] = 4.0
    used_share_max: Annotated[
        float, Meta(gt=0, le=1, description="Tell when more than this share of the disk is used. 1: never.")
    ] = 0.8


class Refused(RuleSettings, kw_only=True, forbid_unknown_fields=True):
    """`[alerts.rules.refused]`: a listener refuses many entries."""

    clear_s: ClearSeconds = 120.0
    count_min: Annotated[int, Meta(ge=1, description="So many entries refused within a minute, and …")] = 20
    share_min: Annotated[float, Meta(ge=0, le=1, description="… at least this share of those that came.")] = (
        0.05
    )


class ErrorBurst(RuleSettings, kw_only=True, forbid_unknown_fields=True):
    """`[alerts.rules.error_burst]`: a source, or all together, send many more errors than usual."""

    clear_s: ClearSeconds = 120.0
    count_min: Annotated[
        int, Meta(ge=1, description="So many entries of level ERROR or above within `window_s`, and …")
    ] = 30
    window_s: Annotated[float, Meta(ge=6, description="Length of the window, seconds.")] = 60.0
    factor: Annotated[
        float, Meta(ge=1, description="… so many times as many as usual, which is learned.")
    ] = 5.0


class OutputLagging(RuleSettings, kw_only=True, forbid_unknown_fields=True):
    """`[alerts.rules.output_lagging]`: an output can't write, or falls behind. Entries are safe in the journal."""

    for_s: ForSeconds = 60.0
    clear_s: ClearSeconds = 30.0
    lag_max: Annotated[int, Meta(ge=1, description="Entries that an output may be behind.")] = 100_000


class RulesSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[alerts.rules]`: each rule's table."""

    listener_down: ListenerDown = msgspec.field(default_factory=ListenerDown)
    inactive: Inactive = msgspec.field(default_factory=Inactive)
    source_silent: SourceSilent = msgspec.field(default_factory=SourceSilent)
    disk: DiskShort = msgspec.field(default_factory=DiskShort)
    refused: Refused = msgspec.field(default_factory=Refused)
    error_burst: ErrorBurst = msgspec.field(default_factory=ErrorBurst)
    output_lagging: OutputLagging = msgspec.field(default_factory=OutputLagging)


class AlertsSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[alerts]`: see the module's text."""

    enabled: Annotated[bool, Meta(description="Off: nothing is looked at, nobody is told.")] = True
    notify: Annotated[
        list[str],
        Meta(
            description="Where messages go: URLs as Apprise has them, such as `slack://…`, `mailto://…`, "
            "`json://host/path`. Empty: alerts stand on the page, in `/api/alerts` and in the operational log only."
        ),
    ] = []
    label: Annotated[
        str,
        Meta(
            max_length=64,
            description="What messages call this server. Empty: its `name`, else the machine's name.",
        ),
    ] = ""
    per_hour_max: Annotated[
        int,
        Meta(
            ge=1,
            description="Messages an hour at most to each target; what is held back is told with the next one. "
            "News of critical alerts passes, once a minute at most.",
        ),
    ] = 30
    rules: RulesSettings = msgspec.field(default_factory=RulesSettings)


_URL: Final = re.compile(r"[a-z][a-z0-9+.-]*://.", re.IGNORECASE)


def alerts_settings(table: Table) -> AlertsSettings:
    """Check `[alerts]`. Whether a target can be reached, `logboom alerts test` tells.

    Raises:
        ConfigError: names the key, what was found and what is allowed; never a target's secrets.
    """
    plain = {key: value for key, value in table.items() if key not in ("notify", "rules")}
    settings = convert(plain, AlertsSettings, "alerts")
    settings.notify = _targets(table.get("notify", []))
    settings.rules = _rules(table.get("rules", {}))
    return settings


def _rules(tables: Any) -> RulesSettings:
    """Each rule by itself, so that an error names its key."""
    if not isinstance(tables, dict):
        raise ConfigError("alerts.rules: expected tables such as [alerts.rules.disk]")
    known = {field.name: field for field in msgspec.structs.fields(RulesSettings)}
    rules = RulesSettings()
    for name, table in tables.items():
        if name not in known:
            raise ConfigError(f"alerts.rules.{name}: unknown rule; there are {', '.join(known)}")
        setattr(rules, name, convert(table, known[name].type, f"alerts.rules.{name}"))
    return rules


def _targets(value: Any) -> list[str]:
    """The URLs; the environment may give a single one as it is."""
    urls = [value] if isinstance(value, str) else value
    if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
        raise ConfigError("alerts.notify: expected a list of URLs such as ['mailto://…', 'json://host/path']")
    if len(urls) > TARGETS_MAX:
        raise ConfigError(f"alerts.notify: found {len(urls)} targets, allowed are {TARGETS_MAX}")
    urls = [url.strip() for url in urls if url.strip()]
    if urls:
        require("alerts", "alerts.notify")
    for number, url in enumerate(urls):
        if not _URL.match(url):
            raise ConfigError(
                f"alerts.notify: target {number + 1} is no URL such as slack://… or json://host/path"
            )
    return urls


def check_targets(settings: AlertsSettings) -> None:
    """Whether Apprise knows what to do with each target; loading it takes half a second.

    Raises:
        ConfigError: names the first that it does not know.
    """
    if not settings.notify:
        return
    from logboom.ops.alerts.targets import is_known  # noqa: PLC0415 - see above

    for name, url in zip(target_names(settings.notify), settings.notify, strict=True):
        if not is_known(url):
            raise ConfigError(
                f"alerts.notify: {name} is no target that Apprise knows, or lacks a part; see its documentation"
            )
