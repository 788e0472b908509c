"""The journal's export format: entries of texts are read together as each alone, in any split."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logboom.formats.journal_fields import entries_of_texts, entry_of_texts
from logboom.framing import journal_entries
from logboom.framing.journal_entries import JournalDataError, JournalEntries
from logboom.testing.protocol_kit import cut

NAMES = ["MESSAGE", "PRIORITY", "_COMM", "SYSLOG_IDENTIFIER", "__REALTIME_TIMESTAMP", "_SOURCE_REALTIME_TIMESTAMP",
         "_SYSTEMD_UNIT", "_BOOT_ID", "_HOSTNAME", "X", "", "A.*"]  # fmt: skip
VALUES = st.sampled_from(
    ["", "m", "a=b", "=", "6", "1762974538837902", "1" * 5000, "ä\u2028", "\r", "x" * 20_000]
)
FIELDS = st.tuples(st.sampled_from(NAMES), VALUES).map(lambda pair: f"{pair[0]}={pair[1]}\n".encode())
BINARY = st.sampled_from([b"m\n\nm", b"", b"MESSAGE=\n\n", b"\xff"]).map(
    lambda data: b"MESSAGE\n" + len(data).to_bytes(8, "little") + data + b"\n"
)
USUAL = st.sampled_from(
    [b"MESSAGE=m\nPRIORITY=6\n", b"MESSAGE=a=b\nPRIORITY=\n", b"MESSAGE=\xff\nPRIORITY=3\n"]
)
ENTRIES = USUAL | st.lists(FIELDS | FIELDS | BINARY | st.sampled_from([b"x\n", b"=\n"]), max_size=5).map(
    b"".join
)
STREAMS = st.lists(st.tuples(USUAL, st.integers(1, 6)) | st.tuples(ENTRIES, st.just(1)), max_size=8).map(
    lambda runs: b"".join((entry + b"\n") * times for entry, times in runs)
)


def read(pieces: list[bytes]) -> tuple[list[dict[str, str]], int, str]:
    entries, found = JournalEntries(), list[dict[str, str]]()
    try:
        for piece in pieces:
            entries.feed(piece)
            found += entries.take()
        last = entries.end()
        found += [last] if last else []
    except JournalDataError as error:
        return found, entries.whole_bytes, str(error)
    return found, entries.whole_bytes, ""


@given(
    STREAMS,
    st.lists(st.integers(1, 200), min_size=1, max_size=5),
    st.sampled_from([b"", b"\n", b"\n\n", b"MESSAGE=x"]),
)
def test_entries_of_texts_are_read_as_all_others(stream: bytes, sizes: list[int], end: bytes) -> None:
    pieces = [cut(stream + end, sizes), [stream + end]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal_entries, "ROW_MIN", 2)
        fast = list(map(read, pieces))
        patch.setattr(JournalEntries, "_plain_entries", lambda _: [])
        patch.setattr(journal_entries, "_plain_fields", lambda _text: None)
        assert list(map(read, pieces)) == fast


def test_an_expression_reads_what_comes_in_a_row() -> None:
    stream = b"".join(b"MESSAGE=%d\nPRIORITY=6\n\n" % number for number in range(100))
    found, size, _ = read([stream])
    assert [one["MESSAGE"] for one in found] == list(map(str, range(100)))
    assert size == len(stream)


@given(st.lists(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6), max_size=6))
def test_many_entries_are_mapped_as_each_alone(found: list[dict[str, str]]) -> None:
    def shown(entries: Any) -> list[bytes]:
        return [msgspec.json.encode(one) for one in entries]

    apart = shown([entry_of_texts(dict(one)) for one in found])
    assert shown(entries_of_texts([dict(one) for one in found])) == apart
