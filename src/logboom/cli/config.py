"""`logboom config check` and `logboom config show`."""

import typer

from logboom.cli import options
from logboom.cli.speaking import answer
from logboom.config import load
from logboom.settings import Settings

app = typer.Typer(help="Look at the configuration without starting anything.", no_args_is_help=True)


def _load(config: options.ConfigFile, profile: options.Profile) -> Settings:
    from pathlib import Path

    from logboom.cluster.cluster_settings import check_acks, cluster_settings
    from logboom.ops.alerts.alert_settings import alerts_settings
    from logboom.ops.alerts.sender import check_targets
    from logboom.outputs.registry import make_outputs

    settings = load(profile=profile, file=options.settings_file(config, options.warn))
    make_outputs(settings.outputs, Path(settings.data_dir))
    check_acks(settings, cluster_settings(settings.cluster))
    check_targets(alerts_settings(settings.alerts))
    return settings


@app.command()
def check(config: options.ConfigFile = None, profile: options.Profile = None) -> None:
    """Check the settings; exit code 0 when they are good, else 1 and one line that names the key."""
    settings = _load(config, profile)
    answer(f"✅ good: {len(settings.active_listeners)} listeners, {len(settings.outputs)} outputs")


@app.command()
def show(config: options.ConfigFile = None, profile: options.Profile = None) -> None:
    """Print the settings that are in force, as TOML, every layer and the environment applied; secrets as ***."""
    import msgspec

    from logboom.formats.redaction import redacted

    settings = _load(config, profile)
    typer.echo(to_toml(redacted(msgspec.to_builtins(settings))), nl=False)


def to_toml(table: dict[str, object], prefix: str = "") -> str:
    """A nested table as TOML; plain keys first, as the format demands."""
    import msgspec

    plain = {key: value for key, value in table.items() if not isinstance(value, dict)}
    tables = {key: value for key, value in table.items() if isinstance(value, dict)}
    lines = [f"{key} = {msgspec.json.encode(value).decode()}" for key, value in plain.items()]
    if prefix and lines:
        lines.insert(0, f"\n[{prefix}]")
    text = "".join(f"{line}\n" for line in lines)
    return text + "".join(
        to_toml(value, f"{prefix}.{key}" if prefix else key) for key, value in tables.items()
    )
