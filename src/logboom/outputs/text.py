"""Output `text`: `2025-01-01T00:00:00.123456Z [ERROR] message` (docs/contracts/line-files.md)."""

from logboom.formats.records import records_of
from logboom.model import Record
from logboom.outputs.file_output import FileOutput, FileSettings
from logboom.outputs.selection import Lines

NO_LEVEL = "INFO"
"""Level of the line for entries without one, such as heartbeats and sensor readings."""


class TextSettings(FileSettings, kw_only=True, forbid_unknown_fields=True):
    """`type = "text"`: one line per entry with receive time, level and message."""


class TextOutput(FileOutput):
    """Receive time, level and message; entries without a message show their JSON."""

    def render(self, lines: Lines) -> Lines:
        """See `FileOutput.render`."""
        records = records_of(lines.sequences, lines.data, with_times=False)
        sequences = lines.sequences
        if len(records) < len(sequences):
            sequences = [record.sequence for record in records]
        text = "".join(map(_unescaped_line, records))
        if "\r" in text or text.count("\n") > len(records):
            text = "".join(map(text_line, records))
        return Lines(sequences, text.encode(errors="replace"))


def text_line(record: Record) -> str:
    r"""Format one record. Newlines are written as `\n` and `\r`, so that no sender can forge a line."""
    line = _unescaped_line(record)[:-1]
    return line.replace("\n", "\\n").replace("\r", "\\r") + "\n"


def _unescaped_line(record: Record) -> str:
    moment = record.received_at.removesuffix("+00:00")
    return f"{moment}Z [{record.level or NO_LEVEL}] {record.message}\n"
