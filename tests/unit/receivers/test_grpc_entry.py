"""gRPC messages to entries."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logboom.formats.levels import WIRE_LEVELS
from logboom.formats.proto_schema import load_schema
from logboom.receivers.grpc.entry import DOCUMENT, ENTRIES_MAX, REAL, batch_decoder, request_decoder

TEXT = st.text(st.characters(codec="utf-8"), max_size=30)


def message(layout: str = REAL, **fields: Any) -> bytes:
    data: bytes = load_schema(layout).messages["LogRequest"](**fields).SerializeToString()
    return data


def batch(*requests: bytes) -> bytes:
    parse = load_schema(REAL).messages["LogRequest"].FromString
    data: bytes = load_schema(REAL).messages["LogBatch"](entries=map(parse, requests)).SerializeToString()
    return data


@pytest.mark.parametrize("layout", [REAL, DOCUMENT])
@given(st.data())
def test_every_field_is_kept(layout: str, data: st.DataObject) -> None:
    names = [field.name for field in load_schema(layout).messages["LogRequest"].DESCRIPTOR.fields]
    texts = {name: data.draw(TEXT) for name in names if name != "level"}
    level = data.draw(st.integers(0, len(WIRE_LEVELS) - 1))
    decoded = request_decoder(layout)([message(layout, **texts, level=level)])
    assert decoded.trouble is None
    assert json.loads(decoded.entries) == {**texts, "level": WIRE_LEVELS[level]}
    assert b"\n" not in decoded.entries
    assert decoded.levels == [WIRE_LEVELS[level]]


def test_the_documents_layout_has_its_eight_fields() -> None:
    [line] = request_decoder(DOCUMENT)([message(DOCUMENT, message="m")]).entries.split(b"\n")
    assert list(json.loads(line)) == [
        "timestamp",
        "hostname",
        "logger_name",
        "level",
        "filename",
        "function_name",
        "line_number",
        "message",
    ]


@pytest.mark.parametrize("layout", [REAL, DOCUMENT])
def test_an_empty_message_is_an_empty_entry(layout: str) -> None:
    decoded = request_decoder(layout)([b""])
    assert (decoded.trouble, decoded.levels, decoded.counts) == (None, ["NOTSET"], [1])


def test_fields_of_a_newer_schema_are_left_out() -> None:
    decoded = request_decoder(REAL)([message(message="m") + b"\xca\x3e\x01x"])
    assert decoded.trouble is None


def test_a_run_ends_at_its_first_trouble() -> None:
    decoded = request_decoder(REAL)(
        [message(message="a"), message(message="b"), b"\xff", message(message="c")]
    )
    assert [json.loads(line)["message"] for line in decoded.entries.split(b"\n")] == ["a", "b"]
    assert decoded.counts == [1, 1]
    assert decoded.trouble == "1 bytes that are no LogRequest, or hold text that is not UTF-8"


@given(st.binary(max_size=200))
def test_garbage_never_raises(data: bytes) -> None:
    for decode in (request_decoder(REAL), request_decoder(DOCUMENT), batch_decoder()):
        decoded = decode([data])
        lines = decoded.entries.split(b"\n") if decoded.entries else []
        assert len(lines) == len(decoded.levels)
        assert all(isinstance(json.loads(line), dict) for line in lines)
        assert sum(decoded.counts) == len(lines) or decoded.trouble is not None


def test_the_wrong_layout_is_noticed() -> None:
    fields: dict[str, Any] = {
        "level": 3,
        "filename": "f",
        "module": "m",
        "message": "text",
        "line_number": "7",
    }
    in_real = message(REAL, **fields)
    del fields["module"]
    in_document = message(DOCUMENT, **fields)
    assert "use logservice.proto" in str(request_decoder(REAL)([in_document]).trouble)
    assert "/logservice.LogService/LogMessage" in str(request_decoder(DOCUMENT)([in_real]).trouble)


def test_a_batch_counts_its_entries() -> None:
    decoded = batch_decoder()(
        [batch(message(message="a"), message(message="b")), batch(), batch(message(message="c"))]
    )
    assert (decoded.counts, len(decoded.levels), decoded.trouble) == ([2, 0, 1], 3, None)


def test_entries_before_a_bad_one_of_their_batch_are_good() -> None:
    bad = message(DOCUMENT, level=3, filename="f", message="m")
    decoded = batch_decoder()(
        [batch(message(message="a")), batch(message(message="b"), bad, message(message="c"))]
    )
    assert [json.loads(line)["message"] for line in decoded.entries.split(b"\n")] == ["a", "b"]
    assert (decoded.counts, decoded.trouble is None) == ([1], False)


@pytest.mark.parametrize("before", [b"", b"\x10\x01", b"\x19" + bytes(8), b"\x25" + bytes(4), b"\x1a\x03abc"])
@pytest.mark.parametrize("entry", [b"\x0a\x00", b"\x0a\x80\x00", b"\x0a\x02\x4a\x00"])
def test_small_batches_cant_stand_for_large_ones(before: bytes, entry: bytes) -> None:
    schema = load_schema(REAL).messages["LogBatch"]
    assert len(schema.FromString(before + entry * 3).entries) == 3
    decoded = batch_decoder()([before + entry * (ENTRIES_MAX + 1)])
    assert decoded.entries == b""
    assert decoded.trouble == f"more than {ENTRIES_MAX} entries in a batch"


def test_many_lines_in_a_batch_are_no_entries() -> None:
    decoded = batch_decoder()([batch(message(message="\n" * 3 * ENTRIES_MAX))])
    assert (decoded.trouble, decoded.counts) == (None, [1])
