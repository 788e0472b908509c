"""Alerts and rules as JSON documents, for the API."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from logboom.ops.alerts.alert_settings import BUILT_IN, RuleSettings, RulesSettings
from logboom.ops.alerts.lifecycle import RESOLVED, Alert
from logboom.ops.alerts.muting import Mute, Muting
from logboom.ops.alerts.rule_trial import Trial
from logboom.ops.alerts.sender import TargetSender


def iso(epoch_s: float) -> str:
    """Format a time of a document."""
    return datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="seconds")


def ended_document(alert: Alert) -> dict[str, Any]:
    """Return the document of an alert of the history."""
    moments = {
        name: None if (moment := getattr(alert, name)) is None else iso(moment)
        for name in ("since", "resolved_at", "acknowledged_at")
    }
    names = ("rule", "subject", "severity", "state", "text", "acknowledged_by")
    return {**{name: getattr(alert, name) for name in names}, **moments}


def alert_document(alert: Alert, muting: Muting) -> dict[str, Any]:
    """Return the document of an alert that fires or has ended recently."""
    until = muting.until(alert.key) if alert.state != RESOLVED else None
    return {**ended_document(alert), "muted_until": None if until is None else iso(until)}


def mute_document(mute: Mute) -> dict[str, Any]:
    """Return the document of what is muted."""
    return {**msgspec.structs.asdict(mute), "until": iso(mute.until)}


def target_document(target: TargetSender) -> dict[str, Any]:
    """Return the document of a notification target."""
    return {"name": target.name, "trouble": target.trouble, "waiting": target.waiting}


def built_in_documents(rules: RulesSettings) -> list[dict[str, Any]]:
    """Return name, meaning and settings of the rules about the server and its senders."""
    settings = msgspec.to_builtins(rules)
    return [{"name": name, "text": _meaning(getattr(rules, name)), **settings[name]} for name in BUILT_IN]


def _meaning(rule: RuleSettings) -> str:
    """Return the sentence that describes a rule, which its settings have."""
    text = (type(rule).__doc__ or "").partition(": ")[2].replace("`", "")
    return text[:1].upper() + text[1:]


def trial_document(trial: Trial) -> dict[str, Any]:
    """Return the document of the trial of a rule."""
    return {
        "fired": len(trial.firings),
        "firings": [
            {"since": iso(one.since), "until": iso(one.until), "matches": one.matches}
            for one in trial.firings
        ],
        "since": iso(trial.since),
        "until": iso(trial.until),
        "entries": trial.reach.entries,
        "complete": trial.reach.before is None,
        "limit": trial.limit,
        "progress": trial.reach.progress,
    }
