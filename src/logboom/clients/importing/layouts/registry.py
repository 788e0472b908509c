"""All layouts of log files that can be imported: the one place to register a new one."""

from collections.abc import Sequence
from typing import Final

from logboom.clients.importing.layouts.access_log import AccessLog, ErrorLog
from logboom.clients.importing.layouts.base import Layout
from logboom.clients.importing.layouts.journal_export import JournalExport
from logboom.clients.importing.layouts.json_objects import DockerJson, JournalJson, JsonObjectLines
from logboom.clients.importing.layouts.texts import CsvTable, Logfmt, PlainText, SyslogFile, TimedText

LAYOUTS: Final[dict[str, type[Layout]]] = {
    layout.name: layout
    for layout in (
        *(JournalExport, JournalJson, DockerJson, JsonObjectLines),
        *(AccessLog, ErrorLog, SyslogFile, Logfmt, CsvTable, TimedText, PlainText),
    )
}
"""By name; of those that fit a file equally well, the first is taken."""

FIT_MIN: Final = 0.5
"""Share of a file's first lines that must have a layout."""

SAMPLE_LINES: Final = 200


def recognise(sample: Sequence[bytes]) -> type[Layout] | None:
    """Return the layout that fits the first lines of a file best; None: none fits."""
    lines = [line for line in sample if line.strip()][:SAMPLE_LINES]
    best = max(LAYOUTS.values(), key=lambda layout: layout.fits(lines))
    return best if best.fits(lines) >= FIT_MIN else None
