"""Routes about alerts, part of the table in `web.routes`."""

from typing import Any, Final

from logboom.query.filter.parser import QUERY_CHARS_MAX
from logboom.web import alert_requests as alerts
from logboom.web.alert_requests import TEXT_CHARS_MAX
from logboom.web.route import JSON, Access, Route

_ALERT: Final = "rule, subject, severity, state, since, resolved_at, text, acknowledged_by, acknowledged_at"
_ALERTS: Final = {
    "enabled": "Whether the server looks for alerts at all: `alerts.enabled`",
    "alerts": f"{_ALERT}, muted_until; those that fire first",
    "rules": "name, origin (`configuration`, or `page` for those that can be changed), query, threshold, window_s, "
    "fewer, for_s, clear_s, severity, enabled, targets (names), trouble, and matches within the window (null: it is "
    "not evaluated), of each rule with a query",
    "built_in": "name, text (a sentence), enabled, severity and thresholds of the rules about the server and its "
    "senders",
    "mutes": "rule, subject (empty: all of the rule), until, by: what is muted",
    "notify": "name, trouble, waiting of each target: without secrets, why it did not take the last message, and "
    "the number of alerts with a change that it has not received yet",
}
_TRIAL: Final = {
    "fired": "How often the rule would have fired, 1000 at most",
    "firings": "since, until, matches: the most entries within a window, or the fewest",
    "since": "Begin of what was tried",
    "until": "Its end",
    "entries": "Number of matching entries",
    "complete": "False: the trial did not go back to the begin that was asked for; `since` says how far it went",
    "limit": "What ended it before: `time`, where a query with words or a later begin needs less, or `steps`: entries "
    "match in more than 200,000 steps, sixtieths of the window, and a longer window has fewer. Empty: nothing",
    "progress": "Share of the entries that were looked at, 0 to 1",
}
_NAME: Final = {
    "type": "string",
    "pattern": "^[a-z][a-z0-9_-]{0,63}$",
    "description": "Name of the rule: a-z, 0-9, _ and -",
}
_SECONDS: Final = {"type": "number", "minimum": 0, "maximum": 10**9, "default": 0}
_RULE: Final[dict[str, Any]] = {
    "query": {
        "type": "string",
        "minLength": 1,
        "maxLength": QUERY_CHARS_MAX,
        "description": "Query that selects the entries",
    },
    "threshold": {
        "type": "integer",
        "minimum": 1,
        "maximum": 10**9,
        "default": 1,
        "description": "Number of entries within `window_s` at which it fires",
    },
    "window_s": {
        "type": "number",
        "minimum": 1,
        "maximum": 604_800,
        "default": 300,
        "description": "Length of the window, seconds",
    },
    "fewer": {
        "type": "boolean",
        "default": False,
        "description": "True: it fires at fewer than `threshold` instead",
    },
    "for_s": {**_SECONDS, "description": "Time for which that must last, seconds"},
    "clear_s": {**_SECONDS, "description": "Time for which it must be over until it is resolved, seconds"},
}
_SETTINGS: Final[dict[str, Any]] = {
    **_RULE,
    "severity": {
        "type": "string",
        "enum": ["critical", "warning"],
        "default": "warning",
        "description": "critical or warning",
    },
    "enabled": {"type": "boolean", "default": True, "description": "False: it is not evaluated"},
    "targets": {
        "type": "array",
        "items": {"type": "string"},
        "description": "Names of configured targets, as in `notify` of `/api/alerts`; none: those of `alerts.notify`",
    },
}
_PLACE: Final[dict[str, Any]] = {
    "rule": {"type": "string", "maxLength": TEXT_CHARS_MAX, "description": "Name of the rule"},
    "subject": {"type": "string", "maxLength": TEXT_CHARS_MAX, "description": "Subject of the alert"},
}
_MOMENT: Final = {
    "type": "string",
    "description": "A time, as in parameters",
    "format": "date-time",
    "pattern": "^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T[01][0-9]:[0-5][0-9]:[0-5][0-9]Z$",
}


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": [*required],
        "additionalProperties": False,
    }


_BODY: Final = {
    "408": "The body did not come in time",
    "413": "The body is too long: more than 16 KiB",
}
_NOT_SAVED: Final = {"503": "The rule can't be saved: the disk is full, or broken"}
_FIXED: Final = {
    "404": "There is no such rule",
    "409": "The rule is of the configuration, and can only be changed there; or a target is not configured",
}

ALERT_ROUTES: Final = (
    Route("GET", "/api/alerts", alerts.alerts, keys=_ALERTS),
    Route(
        "GET",
        "/api/alerts/history",
        alerts.history,
        ("limit",),
        keys={"alerts": f"{_ALERT}; the last first", "total": "How many are kept: 500 at most"},
    ),
    Route(
        "POST",
        "/api/alerts/rules",
        alerts.make_rule,
        takes={JSON: _object({"name": _NAME, **_SETTINGS}, "name", "query")},
        access=Access.ADMIN,
        keys={"name": "Of the rule"},
        statuses={"200": "The rule is made"},
        refusals={
            "409": "There is a rule of this name, there are 50 already, or a target is not configured",
            **_BODY,
            **_NOT_SAVED,
        },
    ),
    Route(
        "PUT",
        "/api/alerts/rules/{rule}",
        alerts.replace_rule,
        takes={JSON: _object(_SETTINGS, "query")},
        access=Access.ADMIN,
        keys={"name": "Of the rule"},
        statuses={"200": "The rule is replaced"},
        refusals={**_FIXED, **_BODY, **_NOT_SAVED},
    ),
    Route(
        "DELETE",
        "/api/alerts/rules/{rule}",
        alerts.remove_rule,
        access=Access.ADMIN,
        keys={"removed": "1"},
        statuses={"200": "The rule is removed"},
        refusals={**_FIXED, **_NOT_SAVED},
    ),
    Route(
        "POST",
        "/api/alerts/trial",
        alerts.try_rule,
        takes={JSON: _object({**_RULE, "since": _MOMENT}, "query")},
        access=Access.READ,
        keys=_TRIAL,
        refusals={
            **_BODY,
            "503": "Too many at once; `Retry-After` says when to try again",
        },
    ),
    Route(
        "POST",
        "/api/alerts/test",
        alerts.test,
        takes={
            JSON: _object({"targets": {"type": "array", "items": {"type": "string"}}, "rule": _PLACE["rule"]})
        },
        access=Access.ADMIN,
        keys={"targets": "name and trouble of each target: why it did not take the message, or null"},
        statuses={"200": "The targets have answered"},
        refusals={"404": "There is no such target", "409": "A test is being sent already", **_BODY},
    ),
    Route(
        "POST",
        "/api/alerts/mutes",
        alerts.mute,
        takes={JSON: _object({**_PLACE, "until": _MOMENT}, "rule", "until")},
        access=Access.ADMIN,
        keys={"muted": "1"},
        statuses={"200": "It is muted"},
        refusals={"404": "There is no such rule", **_BODY},
    ),
    Route(
        "DELETE",
        "/api/alerts/mutes",
        alerts.unmute,
        ("rule", "subject"),
        access=Access.ADMIN,
        keys={"unmuted": "1"},
        statuses={"200": "It is not muted any more"},
        refusals={"404": "It is not muted"},
        required=("rule",),
    ),
    Route(
        "POST",
        "/api/alerts/acknowledgements",
        alerts.acknowledge,
        takes={JSON: _object(_PLACE, "rule", "subject")},
        access=Access.ADMIN,
        keys={"acknowledged": "1"},
        statuses={"200": "It is acknowledged"},
        refusals={"404": "There is no such alert that fires", **_BODY},
    ),
    Route(
        "DELETE",
        "/api/alerts/acknowledgements",
        alerts.withdraw,
        ("rule", "subject"),
        access=Access.ADMIN,
        keys={"acknowledged": "0"},
        statuses={"200": "It is acknowledged no longer"},
        refusals={"404": "There is no such alert that fires"},
        required=("rule", "subject"),
    ),
)
"""Routes about alerts."""
