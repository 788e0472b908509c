"""Registry of the output types, and construction of outputs from the configuration."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from logboom.config import convert
from logboom.errors import ConfigError
from logboom.outputs.base import Output, OutputSettings, PathSettings
from logboom.outputs.columns import ColumnsOutput, ColumnsSettings
from logboom.outputs.jetstream import JetstreamOutput
from logboom.outputs.jetstream_connection import JetstreamSettings
from logboom.outputs.jsonl import JsonlOutput, JsonlSettings
from logboom.outputs.postgres import PostgresOutput, PostgresSettings
from logboom.outputs.redis import RedisOutput, RedisSettings
from logboom.outputs.sqlite import SqliteOutput, SqliteSettings
from logboom.outputs.text import TextOutput, TextSettings
from logboom.query.filter.filter_error import FilterError
from logboom.settings import Table


class OutputType(NamedTuple):
    """Type of output: its settings and its constructor."""

    settings: type[OutputSettings]
    make: Callable[[Any, str, Path], Output]
    """Constructor; its arguments are the settings, the name and the data directory."""
    network: bool = False
    """True if several servers may write to the same place, which keeps the position."""


OUTPUTS: Final[dict[str, OutputType]] = {
    "columns": OutputType(ColumnsSettings, ColumnsOutput),
    "jetstream": OutputType(JetstreamSettings, JetstreamOutput, network=True),
    "jsonl": OutputType(JsonlSettings, JsonlOutput),
    "postgres": OutputType(PostgresSettings, PostgresOutput, network=True),
    "redis": OutputType(RedisSettings, RedisOutput, network=True),
    "sqlite": OutputType(SqliteSettings, SqliteOutput),
    "text": OutputType(TextSettings, TextOutput),
}
"""Output types by `type` in the configuration."""


def make_outputs(
    tables: dict[str, Table], data_dir: Path, elsewhere: Mapping[str, Path] = MappingProxyType({})
) -> dict[str, Output]:
    """Construct the enabled outputs by name, not opened yet. All tables are validated.

    Args:
        tables: the tables `[outputs.NAME]`.
        data_dir: data directory, which has the positions.
        elsewhere: other folders for the positions of some outputs, by name.

    Raises:
        ConfigError: a table is not valid; the text has the key, the value and what is expected.
    """
    checked = {name: output_settings(name, table) for name, table in tables.items()}
    active = {name: settings for name, settings in checked.items() if settings.enabled}
    _check_paths(active)
    return {
        name: OUTPUTS[settings.type].make(settings, name, elsewhere.get(name, data_dir))
        for name, settings in active.items()
    }


def output_settings(name: str, table: Table) -> OutputSettings:
    """Validate the table of one output. Raises `ConfigError`."""
    kind = table.get("type")
    if not isinstance(kind, str) or kind not in OUTPUTS:
        found = f"found {kind!r}" if "type" in table else "missing"
        raise ConfigError(f"outputs.{name}.type: {found}, expected one of {', '.join(OUTPUTS)}")
    settings = convert(table, OUTPUTS[kind].settings, f"outputs.{name}")
    try:
        settings.selection()
    except FilterError as error:
        raise ConfigError(f"outputs.{name}.filter: {error.located()}") from None
    return settings


def output_folders(tables: dict[str, Table]) -> list[Path]:
    """Folders that the enabled outputs write to. Raises `ConfigError`."""
    checked = [output_settings(name, table) for name, table in tables.items()]
    return [
        settings.file_path().parent
        for settings in checked
        if settings.enabled and isinstance(settings, PathSettings)
    ]


def _check_paths(active: dict[str, OutputSettings]) -> None:
    """Refuse two outputs to one file: each would cut off the other's lines."""
    owners: dict[Path, str] = {}
    for name, settings in active.items():
        if not isinstance(settings, PathSettings):
            continue
        path = settings.file_path()
        owner = owners.setdefault(path, name)
        if owner != name:
            raise ConfigError(f"outputs.{name}.path: {path} is already the file of outputs.{owner}")
