"""`logboom alerts test`."""

import typer

from logboom.cli import options

app = typer.Typer(help="Try where alerts go.", no_args_is_help=True)


@app.callback()
def _alerts() -> None:
    """Keeps `test` a word of its own: it is the only command here."""


@app.command("test")
def try_targets(config: options.ConfigFile = None, profile: options.Profile = None) -> None:
    """Send a test message to every target of `alerts.notify`, and tell how it went.

    Works without a running server, with the same settings.

    Examples:
      logboom alerts test --config logboom.toml

      LOGBOOM_ALERTS__NOTIFY=json://127.0.0.1:8000/hook logboom alerts test

    Exit codes: 0 all took it, 1 one did not, or there is none.
    """
    from logboom.config import load
    from logboom.ops.alerts.names import target_names
    from logboom.ops.alerts.service import label_of
    from logboom.ops.alerts.settings import alerts_settings

    settings = load(profile=profile, file=config)
    alerts = alerts_settings(settings.alerts)
    if not alerts.notify:
        typer.echo("❌ there is no target: set alerts.notify", err=True)
        raise typer.Exit(1)
    from logboom.ops.alerts.messages import trial_message
    from logboom.ops.alerts.targets import send

    message = trial_message(label_of(alerts, settings.name))
    failed = False
    for name, url in zip(target_names(alerts.notify), alerts.notify, strict=True):
        reason = send(url, message)
        failed = failed or reason is not None
        typer.echo(f"✅ {name}" if reason is None else f"❌ {name}: {reason}")
    if failed:
        raise typer.Exit(1)
