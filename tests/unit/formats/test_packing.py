"""Cap'n Proto's packed form. The examples are those of its specification."""

import pytest

from logboom.formats.packing import unpack

WORDS_MAX = 10_000


@pytest.mark.parametrize(
    ("packed", "words"),
    [
        ("51 08 03 02 31 19 aa 01", "08 00 00 00 03 00 02 00 19 00 00 00 aa 01 00 00"),
        ("00 00", "00" * 8),
        ("00 03", "00" * 32),
        ("00 02 24 0c 22", "00" * 24 + "00 00 0c 00 00 22 00 00"),
        ("ff 8a 81 82 83 84 85 86 87 00", "8a 81 82 83 84 85 86 87"),
        (
            "ff 01 02 03 04 05 06 07 08 01 06 00 05 04 03 02 01 00",
            "01 02 03 04 05 06 07 08 06 00 05 04 03 02 01 00",
        ),
        ("80 09", "00" * 7 + "09"),
        ("", ""),
    ],
)
def test_unpacks(packed: str, words: str) -> None:
    assert unpack(bytes.fromhex(packed), WORDS_MAX) == bytes.fromhex(words)


def test_every_tag_puts_its_bytes_in_place() -> None:
    for tag in range(1, 255):
        word = bytes(bit + 1 if tag >> bit & 1 else 0 for bit in range(8))
        assert unpack(bytes([tag]) + word.replace(b"\0", b""), WORDS_MAX) == word


@pytest.mark.parametrize(
    "packed", ["51 08 03", "10", "00", "ff 01 02 03 04 05 06 07 08", "ff 01 02 03 04 05 06 07 08 01 00"]
)
def test_what_breaks_off_is_said(packed: str) -> None:
    assert "breaks off" in str(unpack(bytes.fromhex(packed), WORDS_MAX))


def test_what_grows_too_far_is_stopped() -> None:
    assert unpack(b"\0\xff" * 100_000, 1000) == "200000 bytes unpack to more than 8000"
    assert len(unpack(b"\0\x03", 4)) == 32
