"""Output `columns`: an ordered file of fixed-width columns. Contract: docs/contracts/columns-file.md."""

from typing import ClassVar, Final

from logboom.formats.entry_time import TIME_KEYS
from logboom.formats.records import records_of
from logboom.model import Record
from logboom.outputs.file_output import FileOutput, FileSettings
from logboom.outputs.selection import Lines

_HOST_KEYS: Final = ("hostname", "host")
_LOGGER_KEYS: Final = ("logger_name", "loggerName", "logger", "name")
_FILE_KEYS: Final = ("filename", "file")
_FUNCTION_KEYS: Final = ("function_name", "functionName", "funcName", "function")
_LINE_KEYS: Final = ("line_number", "lineNumber", "lineno", "line")


class ColumnsSettings(FileSettings, kw_only=True, forbid_unknown_fields=True):
    """`type = "columns"`: sequence, time, host, logger, level, file, function, line number, message."""


class ColumnsOutput(FileOutput):
    """One line per entry of any protocol, in the journal's order, with the journal's sequence."""

    first_backup: ClassVar[int] = 0

    def render(self, lines: Lines) -> Lines:
        """See `FileOutput.render`."""
        records = records_of(lines.sequences, lines.data, with_times=False)
        text = "".join(map(columns_line, records))
        return Lines([record.sequence for record in records], text.encode(errors="replace"))


def columns_line(record: Record) -> str:
    r"""Format one record. Columns except time and message are cut by characters; newlines are written as `\n`."""
    entry = record.entry
    line = (
        f"{record.sequence} {_word(entry, TIME_KEYS) or record.received_at:<33}"
        f" {_word(entry, _HOST_KEYS) or record.source:<12.12}"
        f" {_word(entry, _LOGGER_KEYS):<15.15} {record.level:<8.8} {_word(entry, _FILE_KEYS):<20.20}"
        f" {_word(entry, _FUNCTION_KEYS):<25.25} {_word(entry, _LINE_KEYS):<6.6} {record.message}"
    )
    return line.replace("\r", "\\r").replace("\n", "\\n") + "\n"


def _word(entry: dict[str, object], keys: tuple[str, ...]) -> str:
    """Value of the first of `keys` in the entry, as text; empty when it has none."""
    for key in keys:
        value = entry.get(key)
        if value is not None and value != "":
            return str(value)
    return ""
