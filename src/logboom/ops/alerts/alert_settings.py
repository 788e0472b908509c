"""Settings `[alerts]`: notification targets and the rules with their thresholds."""

import re
from typing import Annotated, Any, Final, Literal, get_type_hints

import msgspec
from msgspec import Meta

from logboom.config import convert
from logboom.errors import ConfigError
from logboom.extras import require
from logboom.query.filter.filter_error import FilterError
from logboom.query.filter.parser import parse
from logboom.settings import Table

TARGETS_MAX: Final = 20
"""Most targets; each has a thread while there is something to send."""

RULES_MAX: Final = 50
"""Most rules with a query: each is evaluated for every entry."""

WINDOW_S_MAX: Final = 7 * 86400.0
"""Longest window: a step of its counts is three hours then."""

THRESHOLD_MAX: Final = 10**9
"""Largest number of entries of a threshold."""

LASTING_S_MAX: Final = 1e9
"""Longest time for which a condition must hold, or not: 31 years."""

Severity = Annotated[
    Literal["critical", "warning"],
    Meta(description="Severity; `critical` is for conditions in which entries are refused, or soon will be."),
]
ForSeconds = Annotated[
    float,
    Meta(
        ge=0,
        le=LASTING_S_MAX,
        description="Time for which the condition must hold before the alert fires, seconds.",
    ),
]
ClearSeconds = Annotated[
    float,
    Meta(
        ge=0,
        le=LASTING_S_MAX,
        description="Time for which it must not hold before the alert is resolved, seconds.",
    ),
]


class RuleSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Settings of every rule."""

    enabled: Annotated[bool, Meta(description="False: the rule is not evaluated.")] = True
    severity: Severity = "warning"
    for_s: ForSeconds = 0.0
    clear_s: ClearSeconds = 0.0


class ListenerDownRule(RuleSettings, kw_only=True, forbid_unknown_fields=True):
    """`[alerts.rules.listener_down]`: a listener has failed; it is restarted automatically."""

    severity: Severity = "critical"
    clear_s: ClearSeconds = 10.0


class InactiveRule(RuleSettings, kw_only=True, forbid_unknown_fields=True):
    """`[alerts.rules.inactive]`: no connection and no data for `health.idle_warn_s`, as in `/api/health`."""


class SourceSilentRule(RuleSettings, kw_only=True, forbid_unknown_fields=True):
    """`[alerts.rules.source_silent]`: a source is silent for longer than ever before."""

    silent_s_min: Annotated[
        float, Meta(gt=0, description="Shortest silence for an alert, seconds, however often a source sends.")
    ] = 60.0
    factor: Annotated[
        float,
        Meta(ge=1, description="Silence for an alert, as a multiple of the source's longest pause so far."),
    ] = 1.5
    ignore: Annotated[
        list[str],
        Meta(
            description="Sources that may be silent, such as `backup-*`: patterns of names, "
            "with `*`, `?` and `[abc]`."
        ),
    ] = []


class DiskShortRule(RuleSettings, kw_only=True, forbid_unknown_fields=True):
    """`[alerts.rules.disk]`: the journal can't store (always `critical`), or its disk is nearly full."""

    clear_s: ClearSeconds = 60.0
    free_factor: Annotated[
        float,
        Meta(ge=0, description="Free space for an alert, as a multiple of `journal.free_bytes_min`."),
    ] = 4.0
    used_share_max: Annotated[
        float, Meta(gt=0, le=1, description="Used share of the disk above which the alert fires. 1: never.")
    ] = 0.8


class RefusedRule(RuleSettings, kw_only=True, forbid_unknown_fields=True):
    """`[alerts.rules.refused]`: a listener refuses many entries."""

    clear_s: ClearSeconds = 120.0
    count_min: Annotated[
        int, Meta(ge=1, description="Smallest number of refused entries within a minute.")
    ] = 20
    share_min: Annotated[
        float, Meta(ge=0, le=1, description="Smallest share of all entries in that time.")
    ] = 0.05


class ErrorBurstRule(RuleSettings, kw_only=True, forbid_unknown_fields=True):
    """`[alerts.rules.error_burst]`: a source, or all together, send far more errors than usual."""

    clear_s: ClearSeconds = 120.0
    count_min: Annotated[
        int, Meta(ge=1, description="Smallest number of entries of level ERROR or above within `window_s`.")
    ] = 30
    window_s: Annotated[float, Meta(ge=6, description="Length of the window, seconds.")] = 60.0
    factor: Annotated[
        float, Meta(ge=1, description="Smallest multiple of the usual number, which is learned.")
    ] = 5.0


class OutputLaggingRule(RuleSettings, kw_only=True, forbid_unknown_fields=True):
    """`[alerts.rules.output_lagging]`: an output can't write, or falls behind. Entries are safe in the journal."""

    for_s: ForSeconds = 60.0
    clear_s: ClearSeconds = 30.0
    lag_max: Annotated[int, Meta(ge=1, description="Number of entries that an output may be behind.")] = (
        100_000
    )


class QueryRule(RuleSettings, kw_only=True, forbid_unknown_fields=True):
    """`[alerts.rules.NAME]`, a rule of your own: a number of entries match a query within a time."""

    query: Annotated[
        str, Meta(min_length=1, description="Query that selects the entries, such as `level:error pump`.")
    ]
    threshold: Annotated[
        int,
        Meta(
            ge=1,
            le=THRESHOLD_MAX,
            description="Number of matching entries within `window_s` at which the alert fires.",
        ),
    ] = 1
    window_s: Annotated[
        float, Meta(ge=1, le=WINDOW_S_MAX, description="Length of the window, seconds, up to 7 days.")
    ] = 300.0
    fewer: Annotated[
        bool, Meta(description="True: the alert fires when there are fewer than `threshold` instead.")
    ] = False
    targets: Annotated[
        list[str],
        Meta(
            description="Targets for messages of this rule, URLs as in `alerts.notify`. Empty: those there."
        ),
    ] = []


class DeviceGapsRule(RuleSettings, kw_only=True, forbid_unknown_fields=True):
    """`[alerts.rules.device_gaps]`: lines of a device are missing, and did not come late either."""

    clear_s: ClearSeconds = 60.0
    lines_min: Annotated[int, Meta(ge=1, description="Smallest number of missing lines.")] = 1


class DeviceRestartsRule(RuleSettings, kw_only=True, forbid_unknown_fields=True):
    """`[alerts.rules.device_restarts]`: a device restarts again and again, each time after less than five minutes."""

    clear_s: ClearSeconds = 60.0


class ClusterDownRule(RuleSettings, kw_only=True, forbid_unknown_fields=True):
    """`[alerts.rules.cluster_down]`: no majority stores entries, or a setting of the cluster breaks its promise."""

    severity: Severity = "critical"
    clear_s: ClearSeconds = 30.0


class ClusterDegradedRule(RuleSettings, kw_only=True, forbid_unknown_fields=True):
    """`[alerts.rules.cluster_degraded]`: a server or a replica is away or behind, or the copy of entries is behind."""

    for_s: ForSeconds = 90.0
    clear_s: ClearSeconds = 60.0
    lag_max: Annotated[
        int, Meta(ge=1, description="Number of messages of the stream that the copy may be behind.")
    ] = 1000


class RulesSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[alerts.rules]`: one table per rule."""

    listener_down: ListenerDownRule = msgspec.field(default_factory=ListenerDownRule)
    inactive: InactiveRule = msgspec.field(default_factory=InactiveRule)
    source_silent: SourceSilentRule = msgspec.field(default_factory=SourceSilentRule)
    disk: DiskShortRule = msgspec.field(default_factory=DiskShortRule)
    refused: RefusedRule = msgspec.field(default_factory=RefusedRule)
    error_burst: ErrorBurstRule = msgspec.field(default_factory=ErrorBurstRule)
    output_lagging: OutputLaggingRule = msgspec.field(default_factory=OutputLaggingRule)
    device_gaps: DeviceGapsRule = msgspec.field(default_factory=DeviceGapsRule)
    device_restarts: DeviceRestartsRule = msgspec.field(default_factory=DeviceRestartsRule)
    cluster_down: ClusterDownRule = msgspec.field(default_factory=ClusterDownRule)
    cluster_degraded: ClusterDegradedRule = msgspec.field(default_factory=ClusterDegradedRule)
    own: dict[str, QueryRule] = {}
    """Rules with a query, by name."""


class AlertsSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[alerts]`: rules and notification targets."""

    enabled: Annotated[bool, Meta(description="False: no rule is evaluated, no message is sent.")] = True
    notify: Annotated[
        list[str],
        Meta(
            description="Targets of messages: URLs for Apprise, such as `slack://…`, `mailto://…`, "
            "`json://host/path`. Empty: alerts are only shown on the page, in `/api/alerts` and in the operational log."
        ),
    ] = []
    label: Annotated[
        str,
        Meta(
            max_length=64,
            description="Name of this server in messages. Empty: its `name`, else the machine's name.",
        ),
    ] = ""
    per_hour_max: Annotated[
        int,
        Meta(
            ge=1,
            description="Most messages per hour to each target; further changes are sent with the next one. "
            "Changes of critical alerts are sent regardless, at most once per minute.",
        ),
    ] = 30
    rules: RulesSettings = msgspec.field(default_factory=RulesSettings)

    @property
    def urls(self) -> list[str]:
        """All targets, those of `notify` first, each once."""
        return list(
            dict.fromkeys([*self.notify, *(url for rule in self.rules.own.values() for url in rule.targets)])
        )

    def place_of(self, url: str) -> str:
        """Return the name of the setting that has a target."""
        rules = self.rules.own.items()
        own = (f"alerts.rules.{name}.targets" for name, rule in rules if url in rule.targets)
        return "alerts.notify" if url in self.notify else next(own)


_URL: Final = re.compile(r"[a-z][a-z0-9+.-]*://.", re.IGNORECASE)


def alerts_settings(table: Table) -> AlertsSettings:
    """Validate `[alerts]`. `logboom alerts test` checks whether targets can be reached.

    Raises:
        ConfigError: a value is not valid; the text has the key, but no secrets of a target.
    """
    plain = {key: value for key, value in table.items() if key not in ("notify", "rules")}
    settings = convert(plain, AlertsSettings, "alerts")
    settings.notify = _targets(table.get("notify", []), "alerts.notify")
    settings.rules = _rules(table.get("rules", {}))
    if len(settings.urls) > TARGETS_MAX:
        raise ConfigError(f"alerts: found {len(settings.urls)} targets, at most {TARGETS_MAX} are allowed")
    return settings


def with_own_rules(running: Table, fresh: Table) -> Table:
    """Return a running server's `[alerts]` with the rules with a query of another one. Both must be valid."""
    kept, taken = ({**table.get("rules", {})} for table in (running, fresh))
    rules = {name: rule for name, rule in kept.items() if name in BUILT_IN}
    return {**running, "rules": rules | {name: rule for name, rule in taken.items() if name not in BUILT_IN}}


def rule_sections() -> dict[str, type[RuleSettings]]:
    """Settings of each rule by the name of its table."""
    types = get_type_hints(RulesSettings)
    return {**{name: types[name] for name in BUILT_IN}, "NAME": QueryRule}


BUILT_IN: Final = tuple(name for name in RulesSettings.__struct_fields__ if name != "own")
"""Names of the rules that watch the server and its senders."""

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}")


def _rules(tables: Any) -> RulesSettings:
    """Validate each rule separately, so that an error has its key."""
    if not isinstance(tables, dict):
        raise ConfigError("alerts.rules: expected tables such as [alerts.rules.disk]")
    types = get_type_hints(RulesSettings)
    rules = RulesSettings()
    for name, table in tables.items():
        where = f"alerts.rules.{name}"
        if name in BUILT_IN:
            setattr(rules, name, convert(table, types[name], where))
        elif isinstance(table, dict) and "query" in table:
            rules.own[name] = _query_rule(name, table)
        else:
            expected = f"expected one of {', '.join(BUILT_IN)}, or a `query` for a rule of your own"
            raise ConfigError(f"{where}: unknown rule; {expected}")
    if len(rules.own) > RULES_MAX:
        raise ConfigError(
            f"alerts.rules: found {len(rules.own)} with a query, at most {RULES_MAX} are allowed"
        )
    return rules


def _query_rule(name: str, table: Table) -> QueryRule:
    where = f"alerts.rules.{name}"
    rule = query_rule(name, {key: value for key, value in table.items() if key != "targets"}, where)
    rule.targets = _targets(table.get("targets", []), f"{where}.targets")
    return rule


def query_rule(name: str, table: Table, where: str, *, strict: bool = False) -> QueryRule:
    """Validate a rule with a query; its targets are not checked.

    Args:
        name: of the rule.
        table: of its settings.
        where: key of the table, for error texts.
        strict: texts are no numbers, and numbers no booleans, as in JSON.

    Raises:
        ConfigError: a value is not valid.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{where}: expected a name of up to 64 characters a-z, 0-9, _ and -")
    rule = convert(table, QueryRule, where)
    if strict:
        try:
            msgspec.convert(table, QueryRule)
        except msgspec.ValidationError as error:
            raise ConfigError(f"{where}: {error}") from None
    try:
        parse(rule.query)
    except FilterError as error:
        raise ConfigError(f"{where}.query: {error.located()}") from None
    return rule


def _targets(value: Any, where: str) -> list[str]:
    """Validate the URLs; the environment may have a single one instead of a list."""
    urls = [value] if isinstance(value, str) else value
    if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
        raise ConfigError(f"{where}: expected a list of URLs such as ['mailto://…', 'json://host/path']")
    if len(urls) > TARGETS_MAX:
        raise ConfigError(f"{where}: found {len(urls)} targets, at most {TARGETS_MAX} are allowed")
    urls = [url.strip() for url in urls if url.strip()]
    if urls:
        require("alerts", where)
    for number, url in enumerate(urls):
        if not _URL.match(url):
            raise ConfigError(
                f"{where}: target {number + 1} is not a URL such as slack://… or json://host/path"
            )
    return urls
