"""`logboom alerts`: see what fires and fired, and try where alerts go; see `alert_changes` for the rest."""

import sys
from enum import StrEnum
from typing import Annotated, Any

import typer

from logboom.cli import alert_changes, options
from logboom.cli.asking import ask_server
from logboom.cli.connection_options import ConnectionOptions
from logboom.cli.groups import grouped
from logboom.cli.speaking import answer, answer_json, say
from logboom.formats.asked_times import shown_time

app = typer.Typer(help="See what fires, make and try rules, mute, acknowledge.", no_args_is_help=True)


class AlertsFormat(StrEnum):
    """Format of the output."""

    TABLE = "table"
    JSON = "json"


_Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="Alerts at most.")]
_Format = Annotated[AlertsFormat, typer.Option("--format", help="A table, or the server's own document.")]


@app.command("list")
@grouped
def list_alerts(
    *,
    url: options.Url = options.URL_DEFAULT,
    form: _Format = AlertsFormat.TABLE,
    connection: ConnectionOptions,
) -> None:
    """List the alerts of a running server: those that fire, then those that have ended; and your own rules.

    Targets that did not take their last message are named on standard error.

    Examples:
      logboom alerts list

      logboom alerts list --url https://logs.example.com --format json

    Exit codes: 0 done, 1 the server refuses or is no Logboom server, 2 wrong usage, 3 could not connect.
    """
    document = ask_server(url, connection, "/api/alerts", {}, "alerts", "notify")
    if form is AlertsFormat.JSON:
        answer_json(document, indent=2)
    else:
        _write(document)


def _write(document: dict[str, Any]) -> None:
    from logboom.viewer.tables import write_table

    alerts = document["alerts"]
    names = ("state", "severity", "rule", "subject", "since", "text")
    rows = [(_state(alert), *(str(alert.get(name, "")) for name in names[1:])) for alert in alerts]
    colours = {"critical": "red", "warning": "yellow"}
    styles = [
        colours.get(alert.get("severity"), "") if alert.get("state") == "firing" else "" for alert in alerts
    ]
    if alerts:
        write_table(sys.stdout, [name.upper() for name in names], rows, styles=styles)
    _write_rules(document.get("rules", []))
    if not document.get("enabled", True):
        say("⚠️ alerts are off: alerts.enabled is false")
    elif not alerts:
        say("✅ nothing fires")
    for target in document["notify"]:
        if target["trouble"]:
            say(f"⚠️ {target['name']}: {target['trouble']}; {target['waiting']} wait")


def _state(alert: dict[str, Any]) -> str:
    """Return the state of an alert, and whether it is acknowledged or muted."""
    marks = [alert["state"]]
    if alert.get("acknowledged_at"):
        marks.append(
            f"acknowledged by {alert['acknowledged_by']}" if alert["acknowledged_by"] else "acknowledged"
        )
    if alert.get("muted_until"):
        marks.append(f"muted until {shown_time(alert['muted_until'], None)}")
    return ", ".join(marks)


def _write_rules(rules: list[dict[str, Any]]) -> None:
    """Print the rules with a query, and how many entries match now."""
    from logboom.viewer.tables import write_table

    rows = [
        (
            one["name"],
            "-" if one["matches"] is None else f"{one['matches']:,}",
            f"{'<' if one['fewer'] else '>='} {one['threshold']:,} in {one['window_s']:g} s",
            one["query"],
        )
        for one in rules
    ]
    if rows:
        write_table(sys.stdout, ["RULE", "MATCHES", "FIRES AT", "QUERY"], rows)


@app.command("history")
@grouped
def list_ended(
    *,
    url: options.Url = options.URL_DEFAULT,
    limit: _Limit = 50,
    form: _Format = AlertsFormat.TABLE,
    connection: ConnectionOptions,
) -> None:
    """List alerts of a running server that have ended, each time that they fired; the last first.

    Examples:
      logboom alerts history --limit 10

    Exit codes: 0 done, 1 the server refuses or is no Logboom server, 2 wrong usage, 3 could not connect.
    """
    document = ask_server(url, connection, "/api/alerts/history", {"limit": str(limit)}, "alerts", "total")
    if form is AlertsFormat.JSON:
        answer_json(document, indent=2)
        return
    from logboom.viewer.tables import write_table

    rows = [
        (
            shown_time(one["since"], None),
            shown_time(one["resolved_at"] or "", None),
            one["severity"],
            one["rule"],
            one["acknowledged_by"],
            one["text"],
        )
        for one in document["alerts"]
    ]
    if rows:
        write_table(sys.stdout, ["FIRED", "ENDED", "SEVERITY", "RULE", "ACKNOWLEDGED", "TEXT"], rows)
    say(f"{len(rows)} of {document['total']:,} alerts that have ended")


@app.command("test")
def try_targets(config: options.ConfigFile = None, profile: options.Profile = None) -> None:
    """Send a test message to every target of `alerts.notify` and of your own rules; report whether each accepted it.

    Works without a running server, with the same settings. It shows that messages arrive; which alerts fire on a
    running server, `logboom alerts list` shows.

    Examples:
      logboom alerts test --config logboom.toml

      LOGBOOM_ALERTS__NOTIFY=json://127.0.0.1:8000/hook logboom alerts test

    Exit codes: 0 all accepted it, 1 one did not, or there is none, 2 wrong usage.
    """
    from logboom.config import load
    from logboom.ops.alerts.alert_settings import alerts_settings
    from logboom.ops.alerts.names import target_names
    from logboom.ops.alerts.service import label_of

    settings = load(profile=profile, file=options.settings_file(config, options.warn))
    alerts = alerts_settings(settings.alerts)
    if not alerts.urls:
        say("❌ no target is configured: set alerts.notify, for example to ['json://127.0.0.1:8000/hook']")
        raise typer.Exit(1)
    from logboom.ops.alerts.notification import trial_message
    from logboom.ops.alerts.targets import send

    message = trial_message(label_of(alerts, settings.name))
    failed = 0
    for name, url in zip(target_names(alerts.urls), alerts.urls, strict=True):
        reason = send(url, message)
        failed += reason is not None
        answer(f"✅ {name}: accepted" if reason is None else f"❌ {name}: not accepted: {reason}")
    if not alerts.enabled:
        say("⚠️ alerts.enabled is false: the server sends no alerts")
    if failed:
        say(f"❌ {failed} of {len(alerts.urls)} targets did not accept the test message")
        raise typer.Exit(1)


alert_changes.add_to(app)
