"""Entries of other protocols stand under one set of names; what is empty is left out."""

import msgspec

from logboom.formats.mapped import MappedEntry, batch_of
from logboom.model import Verdict


def test_names_stand_in_one_order_and_empty_ones_are_left_out() -> None:
    full = MappedEntry(
        message="m",
        time=1,
        level="INFO",
        source="s",
        host="h",
        labels={"a": 1},
        attributes={"b": 2},
        raw="YQ==",
    )
    batch = batch_of([full, MappedEntry(message="")], 9)
    assert batch.entries == (
        b'{"time":1,"level":"INFO","message":"m","source":"s","host":"h","labels":{"a":1},"attributes":{"b":2},'
        b'"raw":"YQ=="}\n{"message":""}'
    )
    assert batch.verdicts == bytes([Verdict.ACCEPTED] * 2)
    assert batch.size_bytes == 9


def test_attributes_may_be_json_as_it_came() -> None:
    entry = MappedEntry(message="m", attributes=msgspec.Raw(b'{"n":1.10,"big":12345678901234567890123}'))
    assert (
        batch_of([entry], 1).entries
        == b'{"message":"m","attributes":{"n":1.10,"big":12345678901234567890123}}'
    )


def test_no_entry_makes_no_line() -> None:
    batch = batch_of([], 3, verdicts=bytes([Verdict.NOT_JSON]), reasons=("it is not JSON",))
    assert (batch.entries, batch.count) == (b"", 0)
