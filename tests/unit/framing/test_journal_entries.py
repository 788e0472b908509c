"""The journal's export format: any split gives the same entries, in bounded memory."""

import random

import pytest

from logboom.framing.journal_entries import ENTRY_BYTES_MAX, FIELDS_MAX, JournalDataError, JournalEntries
from tests.kit.captured import CAPTURES


def binary(name: str, value: bytes) -> bytes:
    return name.encode() + b"\n" + len(value).to_bytes(8, "little") + value + b"\n"


DATA = (
    b"__CURSOR=a\nMESSAGE=one = two\n\n"
    b"__CURSOR=b\n"
    + binary("MESSAGE", b"two\n\nlines\n")
    + b"TAG=x\nTAG=y\n\n\n"
    + b"__CURSOR=c\n"
    + binary("CORE", b"\xff\0" * 300_000)
    + binary("MESSAGE", b"\xff")
    + b"A=1\n\n"
    + b"__CURSOR=d\nMESSAGE="
    + b"long" * 200_000
    + b"\nA=1\n\n"
    + b"MESSAGE=\xff\n\n"
    + b"LAST=1\n"
)


def read(data: bytes, cuts: list[int]) -> list[dict[str, str]]:
    entries, found = JournalEntries(), []
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        entries.feed(data[start:end])
        found += entries.take()
        assert len(entries) < ENTRY_BYTES_MAX + (128 << 10) + max(0, end - start)
    last = entries.end()
    return found if last is None else [*found, last]


def test_the_entries_are_read() -> None:
    found = read(DATA, [])
    assert found[0] == {"__CURSOR": "a", "MESSAGE": "one = two"}
    assert found[1] == {"__CURSOR": "b", "MESSAGE": "two\n\nlines\n", "TAG": "x\ny"}
    assert found[2]["CORE_bytes"] == "600000"
    assert (found[2]["MESSAGE"], found[2]["A"]) == ("", "")  # the core has taken all the room
    assert found[3]["MESSAGE"].startswith("longlong")
    assert len(found[3]["MESSAGE"]) == ENTRY_BYTES_MAX - 1
    assert found[4] == {"MESSAGE": "\ufffd", "MESSAGE_base64": "/w=="}
    assert found[5:] == [{"LAST": "1"}]


def without_sizes(entries: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{name: text for name, text in entry.items() if not name.endswith("_bytes")} for entry in entries]


@pytest.mark.parametrize("seed", range(8))
def test_any_split_gives_the_same_entries(seed: int) -> None:
    choice = random.Random(seed)
    cuts = sorted(choice.randrange(len(DATA)) for _ in range(choice.choice([3, 30, 300])))
    assert without_sizes(read(DATA, cuts)) == without_sizes(read(DATA, []))
    small = (CAPTURES / "journal/journal-upload.bin").read_bytes().partition(b"4aa\r\n")[2][:0x4AA]
    assert read(small, list(range(1, len(small)))) == read(small, [])
    assert len(read(small, [])) == 3


def test_the_number_of_fields_is_bounded() -> None:
    data = b"".join(b"F%d=1\n" % number for number in range(FIELDS_MAX * 2)) + b"\n"
    assert [len(entry) for entry in read(data, [])] == [FIELDS_MAX]


@pytest.mark.parametrize("data", [b"no field at all\n\n\n\n\n\n", b"A=1\nB", b"MESSAGE\n" + b"\xff" * 8])
def test_what_is_no_export_is_refused(data: bytes) -> None:
    with pytest.raises(JournalDataError, match=r"breaks off|neither an equals sign nor a length"):
        read(data, [])
