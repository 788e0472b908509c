"""Packed `LoggerMsg` messages as JSON entries: docs/contracts/capnp.md."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import capnp  # type: ignore[import-untyped]
import pytest

from logboom.formats import capnp_schemas
from logboom.formats.capnp_entry import PICKLE, TEXTS, CapnpEntries, decode
from logboom.formats.levels import WIRE_LEVELS

CLIENT = capnp.SchemaParser().load(str(Path(__file__).parents[2] / "schemas" / "logger_client.capnp"))
FIELDS: dict[str, Any] = {name: f"{name} äöü 💓" for name in TEXTS}


def packed(*, first_segment_words: int | None = None, **fields: Any) -> bytes:
    return bytes(CLIENT.LoggerMsg.new_message(first_segment_words, **fields).to_bytes_packed())


def objects(decoded: CapnpEntries) -> list[dict[str, str]]:
    return [json.loads(line) for line in decoded.entries.split(b"\n")] if decoded.entries else []


def one(message: bytes) -> dict[str, str]:
    decoded = decode([message])
    assert decoded.trouble is None
    [entry] = objects(decoded)
    assert decoded.levels == [entry["level"]]
    return entry


def trouble(message: bytes) -> str:
    decoded = decode([message])
    assert (decoded.entries, decoded.levels) == (b"", [])
    assert decoded.trouble is not None
    return decoded.trouble


def test_all_sixteen_fields_have_the_documents_names() -> None:
    entry = one(packed(level="trade", **FIELDS))
    assert entry == {**FIELDS, "level": "TRADE"}
    assert len(entry) == 16


def test_what_is_not_set_is_empty() -> None:
    assert one(packed()) == {**dict.fromkeys(TEXTS, ""), "level": "NOTSET"}


@pytest.mark.parametrize(("number", "name"), list(enumerate(WIRE_LEVELS)))
def test_levels_are_named(number: int, name: str) -> None:
    assert one(packed(level=number))["level"] == name


@pytest.mark.parametrize("segment", [None, 1])
def test_unknown_levels_keep_their_number(segment: int | None) -> None:
    message = packed(first_segment_words=segment, level="audit", message="who did what")
    assert one(message)["level"] == "LEVEL_12"


@pytest.mark.parametrize("segment", [1, 2, 5, 17, 30])
def test_messages_of_several_segments_with_far_pointers(segment: int) -> None:
    fields = {**FIELDS, "stackTrace": "Traceback\n" * 700}
    message = packed(first_segment_words=segment, level="error", **fields)
    assert message[0] & 0x0F, "one segment only"
    assert one(message) == {**fields, "level": "ERROR"}


def test_many_messages_become_lines_in_their_order() -> None:
    messages = [packed(first_segment_words=1 if n % 3 else None, message=f"line\n{n}") for n in range(50)]
    decoded = decode(messages)
    assert [entry["message"] for entry in objects(decoded)] == [f"line\n{n}" for n in range(50)]
    assert decoded.levels == ["NOTSET"] * 50


def test_text_that_is_not_utf_8_is_kept_with_marks() -> None:
    message = packed(message="caffeine", level="info").replace(b"caffeine", b"caf\xe9ine!")
    assert one(message) == one(packed(message="caf\N{REPLACEMENT CHARACTER}ine!", level="info"))


def test_control_characters_are_escaped() -> None:
    text = 'a\tb\r\n\x1b[31m"\\\x00\x7f'
    assert one(packed(message=text))["message"] == text


def test_what_comes_before_a_bad_message_counts() -> None:
    good = packed(message="good")
    decoded = decode([good, good, b"\x10", good])
    assert [entry["message"] for entry in objects(decoded)] == ["good", "good"]
    assert decoded.levels == ["NOTSET", "NOTSET"]
    assert decoded.trouble == "malformed message of 1 bytes: it breaks off inside a word"


@pytest.mark.parametrize("segment", [None, 1, 20])
def test_a_message_cut_short_anywhere_is_malformed(segment: int | None) -> None:
    message = packed(first_segment_words=segment, message="x" * 100, hostname="host", level="info")
    for size in range(1, len(message)):
        assert trouble(message[:size]).startswith(f"malformed message of {size} bytes: ")


def test_reasons_name_the_cause_and_nothing_of_the_library() -> None:
    reason = trouble(bytes.fromhex("1001 ff ff ff ff ff ff ff ff ff 00".replace(" ", "")))
    assert "malformed message of 12 bytes" in reason
    assert "stack" not in reason
    assert ".h" not in reason
    assert "\n" not in reason


@pytest.mark.parametrize(
    "start", [b"\x80\x04\x95\x10\x01", b"\x80\x02}q\x00", b"}q\x00(X\x04\x00\x00\x00name"]
)
def test_pickles_are_refused_with_what_to_do(start: bytes) -> None:
    assert trouble(start) == PICKLE
    assert "LogboomHandler" in PICKLE
    assert "capnp://" in PICKLE


def test_zeros_do_not_grow_without_bound() -> None:
    bomb = packed(message="\0" * 1_000_000)
    assert len(bomb) < 10_000
    assert "too large" in trouble(bomb) or "unpack to more" in trouble(bomb)


def test_one_text_under_fifteen_names_does_not_grow_without_bound() -> None:
    words = bytearray(CLIENT.LoggerMsg.new_message(message="x" * 8000).to_bytes())
    message_at = 8 + 8 + 8 + 7 * 8  # table, root, data, seven pointers
    pointer = int.from_bytes(words[message_at : message_at + 4], "little")
    for index in range(15):  # all at the same text: each offset counts from its own place
        at = message_at + (index - 7) * 8
        words[at : at + 4] = (pointer - ((index - 7) << 2)).to_bytes(4, "little")
        words[at + 4 : at + 8] = words[message_at + 4 : message_at + 8]
    assert "malformed" in trouble(pack(bytes(words)))


def pack(words: bytes) -> bytes:
    """The simplest packing: no runs."""

    def parts() -> Iterator[bytes]:
        for start in range(0, len(words), 8):
            word = words[start : start + 8]
            tag = sum(1 << bit for bit, value in enumerate(word) if value)
            yield bytes([tag]) + word.replace(b"\0", b"") + (b"\0" if tag in (0, 255) else b"")

    return b"".join(parts())


def test_packers_without_runs_are_understood() -> None:
    words = CLIENT.LoggerMsg.new_message(level="logon", **FIELDS).to_bytes()
    assert one(pack(words)) == {**FIELDS, "level": "LOGON"}


def layout(struct: Any) -> list[tuple[str, int]]:
    return [(field.name, field.slot.offset) for field in struct.schema.node.struct.fields]


def test_the_schemas_have_the_layout_that_is_on_the_wire() -> None:
    logger, reader = capnp_schemas.schemas()
    assert logger.LoggerMsg.schema.node.id == 0xD8C4553D6F87C52B
    assert logger.schema.get_proto().id == 0xFC867D59C4F2E15C
    shape = logger.LoggerMsg.schema.node.struct
    assert (shape.dataWordCount, shape.pointerCount) == (1, 15)
    for struct in (reader.LoggerText, reader.LoggerBytes, CLIENT.LoggerMsg):
        assert layout(struct) == layout(logger.LoggerMsg)
    assert layout(logger.LoggerMsg)[4] == ("level", 0)
    assert layout(CLIENT.HelloMsg) == layout(logger.HelloMsg)
    assert [name for name, _ in layout(logger.LoggerMsg) if name != "level"] == list(TEXTS)
    assert [name.upper() for name in list(logger.Level.schema.enumerants)] == list(WIRE_LEVELS)


def test_pycapnp_is_loaded_by_the_first_message_only() -> None:
    program = (
        "import sys; import logboom.app, logboom.receivers.capnp, logboom.clients.wire.dialect_registry;"
        "print('capnp.lib.capnp' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
