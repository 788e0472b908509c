"""Which outputs there are, and making them of the configuration's tables."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from logboom.config import convert
from logboom.errors import ConfigError
from logboom.outputs.base import Output, OutputSettings, PathSettings
from logboom.outputs.columns import ColumnsOutput, ColumnsSettings
from logboom.outputs.jsonl import JsonlOutput, JsonlSettings
from logboom.outputs.postgres import PostgresOutput, PostgresSettings
from logboom.outputs.redis import RedisOutput, RedisSettings
from logboom.outputs.sqlite import SqliteOutput, SqliteSettings
from logboom.outputs.text import TextOutput, TextSettings
from logboom.settings import Table


class OutputType(NamedTuple):
    """One entry of the registry."""

    settings: type[OutputSettings]
    make: Callable[[Any, str, Path], Output]
    """Makes the output of its settings, its name and the data directory."""


OUTPUTS: Final[dict[str, OutputType]] = {
    "columns": OutputType(ColumnsSettings, ColumnsOutput),
    "jsonl": OutputType(JsonlSettings, JsonlOutput),
    "postgres": OutputType(PostgresSettings, PostgresOutput),
    "redis": OutputType(RedisSettings, RedisOutput),
    "sqlite": OutputType(SqliteSettings, SqliteOutput),
    "text": OutputType(TextSettings, TextOutput),
}
"""By the `type` of the configuration."""


def make_outputs(tables: dict[str, Table], data_dir: Path) -> dict[str, Output]:
    """The outputs that are enabled, not opened yet, by name. All tables are checked.

    Args:
        tables: `[outputs.NAME]`.
        data_dir: where positions are kept.

    Raises:
        ConfigError: names the key, what was found and what is allowed.
    """
    checked = {name: output_settings(name, table) for name, table in tables.items()}
    active = {name: settings for name, settings in checked.items() if settings.enabled}
    _check_paths(active)
    return {name: OUTPUTS[settings.type].make(settings, name, data_dir) for name, settings in active.items()}


def output_settings(name: str, table: Table) -> OutputSettings:
    """Check the table of one output. Raises `ConfigError`."""
    kind = table.get("type")
    if not isinstance(kind, str) or kind not in OUTPUTS:
        found = f"found {kind!r}" if "type" in table else "missing"
        raise ConfigError(f"outputs.{name}.type: {found}, expected one of {', '.join(OUTPUTS)}")
    return convert(table, OUTPUTS[kind].settings, f"outputs.{name}")


def output_folders(tables: dict[str, Table]) -> list[Path]:
    """The folders that the enabled outputs write to. Raises `ConfigError`."""
    checked = [output_settings(name, table) for name, table in tables.items()]
    return [
        settings.file_path().parent
        for settings in checked
        if settings.enabled and isinstance(settings, PathSettings)
    ]


def _check_paths(active: dict[str, OutputSettings]) -> None:
    """Two outputs in one file would each cut off what the other wrote."""
    owners: dict[Path, str] = {}
    for name, settings in active.items():
        if not isinstance(settings, PathSettings):
            continue
        path = settings.file_path()
        owner = owners.setdefault(path, name)
        if owner != name:
            raise ConfigError(f"outputs.{name}.path: {path} is the file of outputs.{owner} already")
