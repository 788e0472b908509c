"""The ordered columns file (docs/contracts/columns-file.md): widths, cuts, sequence and rotation."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from logboom.formats.records import records_of
from logboom.journal.segments import prefix, suffix
from logboom.outputs.columns import ColumnsOutput, ColumnsSettings, columns_line
from logboom.testing.output_kit import check_output, sample_entries

MOMENT_NS = 1_735_689_600_123_456_000
WIDTHS = (33, 12, 15, 8, 20, 25, 6)

FULL = {
    "timestamp": "2025-01-15T10:30:45.123Z",
    "hostname": "myhost",
    "logger_name": "app_logger",
    "level": "info",
    "filename": "main.py",
    "function_name": "process_data",
    "line_number": "42",
    "message": "Processing started",
}


def line_of(entry: dict[str, Any], sequence: int = 0) -> str:
    raw = prefix(MOMENT_NS) + msgspec.json.encode(entry) + suffix("10.0.0.1", "capnp")
    [record] = records_of([sequence], raw)
    return columns_line(record)


def columns_of(line: str) -> list[str]:
    """The columns after the sequence, by their widths; the last one is the message."""
    _, rest = line.removesuffix("\n").split(" ", 1)
    found = []
    for width in WIDTHS:
        found.append(rest[:width])
        assert rest[width] == " "
        rest = rest[width + 1 :]
    return [*found, rest]


def test_the_line_of_document_002() -> None:
    line = line_of(FULL, 7)
    assert line.startswith(
        "7 2025-01-15T10:30:45.123Z          myhost       app_logger      INFO     main.py "
    )
    assert [column.rstrip() for column in columns_of(line)] == [
        *["2025-01-15T10:30:45.123Z", "myhost", "app_logger", "INFO", "main.py", "process_data", "42"],
        "Processing started",
    ]


def test_columns_are_cut_by_characters_but_time_and_message_never() -> None:
    long = dict.fromkeys(FULL, "ü🚀" * 40)
    line = line_of({**long, "level": "critical"}, 123)
    assert line.startswith("123 " + "ü🚀" * 40 + " ")
    rest = line.removeprefix("123 " + "ü🚀" * 40 + " ").split(" ")
    assert [len(column) for column in rest[:6]] == [12, 15, 8, 20, 25, 6]
    assert rest[-1] == "ü🚀" * 40 + "\n"


def test_a_newline_can_not_forge_a_line() -> None:
    line = line_of({**FULL, "message": "a\r\nb", "hostname": "x\ny"})
    assert line.count("\n") == 1
    assert line.endswith("a\\r\\nb\n")


def test_capnp_entries_with_their_schemas_names_fill_the_same_columns() -> None:
    camel = {"logger_name": "loggerName", "function_name": "functionName", "line_number": "lineNumber"}
    assert line_of({camel.get(key, key): value for key, value in FULL.items()}) == line_of(FULL)


@pytest.mark.parametrize(
    ("entry", "shown"),
    [
        (
            {"boot_seq": 1, "uptime_ms": 5, "level": "warning", "msg": "low battery"},
            ("10.0.0.1", "WARNING", "low battery"),
        ),
        ({"level": 40, "message": "x", "name": "api", "lineno": 9}, ("10.0.0.1", "ERROR", "x")),
    ],
)
def test_entries_of_other_protocols_fit_too(entry: dict[str, Any], shown: tuple[str, str, str]) -> None:
    _, host, _, level, *_, message = (column.rstrip() for column in columns_of(line_of(entry)))
    assert (host, level, message) == shown


def make(folder: Path, **more: Any) -> ColumnsOutput:
    settings = ColumnsSettings(type="columns", path="_main.log", folder=str(folder / "logs"), **more)
    return ColumnsOutput(settings, "columns", folder / "data")


def read_files(folder: Path) -> bytes:
    """Backups oldest first, then the current file."""
    logs = folder / "logs"
    backups = sorted(logs.glob("_main.log.*"), key=lambda path: -int(path.suffix[1:]))
    return b"".join(path.read_bytes() for path in [*backups, logs / "_main.log"])


def test_every_entry_stands_once_in_order_over_crashes_and_rotations(tmp_path: Path) -> None:
    content = check_output(
        lambda folder: make(folder, max_file_bytes=4000, backup_count=99), read_files, tmp_path
    )
    numbers = [int(line.split(b" ", 1)[0]) for line in content.removesuffix(b"\n").split(b"\n")]
    assert numbers == list(range(400))


def test_exactly_ten_backups_are_kept_newest_is_zero(tmp_path: Path) -> None:
    entries = sample_entries(400)
    check_output(
        lambda folder: make(folder, max_file_bytes=2000, backup_count=10),
        lambda folder: sorted(path.name for path in (folder / "logs").iterdir()),
        tmp_path,
        entries=entries,
        rounds=0,
    )
    logs = tmp_path / "straight" / "logs"
    assert sorted(path.name for path in logs.iterdir()) == [
        "_main.log",
        *(f"_main.log.{n}" for n in range(10)),
    ]
    firsts = [int((logs / f"_main.log.{n}").read_bytes().split(b" ", 1)[0]) for n in range(10)]
    assert firsts == sorted(firsts, reverse=True)
    assert all(path.stat().st_size <= 2000 for path in logs.iterdir())
