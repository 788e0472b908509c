"""How entries look: lines and colours."""

import io
import json
import re
from typing import Any

import msgspec
import pytest

from logboom.clients.delivery.ansi import strip_ansi
from logboom.clients.wire.http_api import base_url
from logboom.errors import ConfigError
from logboom.formats.records import records_of
from logboom.viewer.display import (
    CYAN,
    DIM,
    GREEN,
    RED,
    RESET,
    YELLOW,
    Display,
    EntryEvent,
    name_of,
    read_event,
)
from logboom.viewer.live_reader import Events
from logboom.viewer.recent import row_of
from logboom.viewer.tables import aligned, write_table

NOON = "2024-01-01T12:00:00.000000"


def event(entry: dict[str, Any], *, level: str = "", message: str = "", listener: str = "http") -> EntryEvent:
    return EntryEvent(
        1,
        "2024-01-02T03:04:05+00:00",
        "2024-01-02T03:04:05+00:00",
        "10.0.0.7",
        listener,
        level,
        message,
        entry,
    )


def message(lines: object, kind: str = "log", **fields: object) -> EntryEvent:
    return event({"timestamp": NOON, "message": lines, "source": "whaleon-36381824", "type": kind, **fields})


def shown(one: EntryEvent, *, colours: bool = False) -> str:
    return Display(colours=colours).format(one)


def test_the_documents_lines() -> None:
    display = Display(colours=False)
    log = message(["StateChange [2024-01-01 12:00:00] Task completed", "Success"], line_count=2)
    assert display.format(log).split("\n") == [
        "[0001] 12:00:00 [LOG] whaleon (36381824) (2 lines):",
        "  1: StateChange [2024-01-01 12:00:00] Task completed",
        "  2: Success",
    ]
    beat = message("💓 Heartbeat from whaleon client", "heartbeat")
    assert (
        display.format(beat)
        == "[0002] 12:00:00 [HEARTBEAT] whaleon (36381824): 💓 Heartbeat from whaleon client"
    )
    status = message("🚀 Whaleon log sender connected and ready", "status")
    assert display.format(status).startswith("[0003] 12:00:00 [STATUS] whaleon (36381824): 🚀 Whaleon")


def test_a_heartbeat_has_its_heart() -> None:
    assert shown(message("alive", "heartbeat")).endswith(": 💓 alive")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("one", ": one"),
        (["one"], " (1 line):\n  1: one"),
        ("a\nb", " (2 lines):\n  1: a\n  2: b"),
        ([], " (0 lines):"),
    ],
)
def test_one_line_and_several(lines: object, expected: str) -> None:
    assert shown(message(lines)) == "[0001] 12:00:00 [LOG] whaleon (36381824)" + expected


@pytest.mark.parametrize(
    ("kind", "colour"), [("log", GREEN), ("status", YELLOW), ("heartbeat", CYAN), ("error", RED)]
)
def test_colours_of_types(kind: str, colour: str) -> None:
    for line in shown(message(["x", "y"], kind), colours=True).split("\n"):
        assert line.startswith(colour)
        assert line.endswith(RESET)


def test_standard_error_is_marked() -> None:
    line = shown(message("oops", stream="stderr"), colours=True)
    assert line == f"{RED}[0001] 12:00:00 [STDERR] whaleon (36381824): oops{RESET}"


@pytest.mark.parametrize(
    ("level", "colour"),
    [
        ("ERROR", RED),
        ("CRITICAL", RED),
        ("WARNING", YELLOW),
        ("INFO", GREEN),
        ("DEBUG", DIM),
        ("NEW", ""),
        ("", ""),
    ],
)
def test_entries_of_other_protocols(level: str, colour: str) -> None:
    one = event({"level": level, "message": "m"}, level=level, message="m", listener="collector")
    line = f"[0001] 03:04:05 [{level or 'COLLECTOR'}] 10.0.0.7 (collector): m"
    assert shown(one) == line
    assert shown(one, colours=True) == (f"{colour}{line}{RESET}" if colour else line)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("whaleon-36381824", "whaleon (36381824)"),
        ("my-app-7", "my-app (7)"),
        ("whaleon", "whaleon"),
        ("-7", "-7"),
        ("x-", "x-"),
    ],
)
def test_names(source: str, expected: str) -> None:
    assert name_of(source) == expected


def test_an_entry_that_only_lenient_readers_take_is_shown() -> None:
    head = {"sequence": 1, "received_at": NOON, "time": NOON, "source": "s", "listener": "l", "level": ""}
    data = json.dumps({**head, "message": "m", "entry": 0}).replace('"entry": 0', '"entry": {"x": 1e999}')
    assert shown(read_event(data.encode())) == "[0001] 12:00:00 [L] s (l): m"


def test_escape_sequences_are_left_out_of_what_is_sent() -> None:
    assert strip_ansi(b"a\x1b[1;31mb\x1b[0m\x1b]0;title\x07 \xff") == b"ab \xff"


EVIL = "a\x1b[31mr\x1b[8mh\x1b[2J\u202e\n\x9b1m"


@pytest.mark.parametrize("colours", [False, True])
def test_nothing_but_colours_reaches_a_terminal(colours: bool) -> None:
    ours = {GREEN, RED, RESET}
    for one in (
        message([EVIL, EVIL], source=EVIL),
        message(EVIL, stream=EVIL),
        event({"level": EVIL, "service": EVIL}, level=EVIL, message=EVIL, listener=EVIL),
    ):
        text = shown(one, colours=colours)
        assert "\u202e" not in text
        assert "\x9b" not in text
        assert set(re.findall(r"\x1b(?:\[[0-9;]*m)?", text)) <= (ours if colours else set())


ODD = [{"a": 1}, [1, "x"], 5, 1.5, True, None, "", {"a": [{"b": None}]}]


@pytest.mark.parametrize("value", ODD, ids=str)
@pytest.mark.parametrize(
    "key", ["type", "source", "message", "level", "timestamp", "stream", "service", "id", "log"]
)
def test_any_type_in_any_field_is_shown(key: str, value: object) -> None:
    for entry in ({key: value}, {"message": "m", "source": "s", "type": "log", key: value}):
        line = b'{"received_at":"%b","entry":%b,"source":"10.0.0.7","listener":"http"}\n' % (
            b"2024-01-01T12:00:00.000000+00:00",
            json.dumps(entry).encode(),
        )
        (record,) = records_of([1], line)
        sent = read_event(msgspec.json.encode(record._asdict()))
        assert shown(sent).startswith("[0001] ")
        assert row_of(record).message == record.message


def test_the_sender_is_shown_by_the_name_it_gives_itself() -> None:
    one = event({"service": "shop", "level": "INFO"}, level="INFO", message="m", listener="collector")
    assert shown(one) == "[0001] 03:04:05 [INFO] shop (collector): m"


def test_events_come_whole_however_they_are_cut() -> None:
    data = b'retry: 1\n: keep-alive\nid: 4\n\nid: 5\ndata: {"a":1}\n\nevent: gap\ndata: {}\n\nid: 6\ndata: {"b":2}\n\n'
    whole = Events()
    expected = [(b"", b'{"a":1}'), (b"gap", b"{}"), (b"", b'{"b":2}')]
    assert whole.feed(data) == expected
    for size in (1, 2, 3, 7):
        events, found = Events(), []
        for start in range(0, len(data), size):
            found += events.feed(data[start : start + size])
        assert found == expected
        assert events.position == whole.position == 6


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("ws://h:1/", "http://h:1"),
        ("WSS://h/logs/", "https://h/logs"),
        ("https://u:p@h", "https://u:p@h"),
    ],
)
def test_servers_urls(url: str, base: str) -> None:
    assert base_url(url) == base


@pytest.mark.parametrize("url", ["tcp://h:1", "http://", "http://h:x", "http://h?x=1", ""])
def test_wrong_urls_are_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"expected|not a URL"):
        base_url(url)


def test_tables_are_plain_where_there_is_no_terminal() -> None:
    rows = [("a", "1", "x"), ("long name", "22", "")]
    expected = ["NAME        N  TEXT", "a           1  x", "long name  22"]
    assert aligned(("NAME", "N", "TEXT"), rows, frozenset({1})) == expected
    stream = io.StringIO()
    write_table(stream, ("NAME", "N", "TEXT"), rows, numbers=frozenset({1}))
    assert stream.getvalue().splitlines() == expected


def test_tables_are_drawn_on_terminals() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    write_table(stream, ("NAME", "TEXT"), [("a", "[b]x")], styles=["red"])
    assert "[b]x" in stream.getvalue()


def test_cells_are_harmless() -> None:
    stream = io.StringIO()
    write_table(stream, ("NAME",), [("a\x1b[2J\u2028\tb\nc",)])
    assert stream.getvalue() == "NAME\na\\x1b[2J\\u2028 b\\nc\n"


def test_chosen_fields_stand_for_the_message() -> None:
    display = Display(colours=False, fields=("temp", "system.heap", "sequence", "lux"))
    one = event({"temp": 21.5, "system": {"heap": 7}, "type": "log", "source": "a", "message": "m"})
    assert display.format(one).endswith(": temp=21.5 system.heap=7 sequence=1")
