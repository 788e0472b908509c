import json
from itertools import pairwise

import pytest

from bench import line as lines
from bench.line import LINE_BYTES, NUMBERS_MAX, line, payload, shares


def test_the_line_is_the_document_s_entry_and_has_its_length() -> None:
    entry = json.loads(line(41))
    assert entry["seq"] == lines.NUMBER_FIRST + 41
    assert {"boot_seq", "uptime_ms", "ts", "level", "msg", "system"} < entry.keys()
    assert len(line(0)) == LINE_BYTES == 264
    assert json.dumps(entry, separators=(",", ":")).encode() + b"\n" == line(41)


@pytest.mark.parametrize(
    ("first", "count"), [(0, 1), (0, 1000), (1, 999), (998, 5), (123_456, 2_345), (7, 0)]
)
def test_a_payload_is_its_lines(first: int, count: int) -> None:
    assert payload(first, count) == b"".join(line(index) for index in range(first, first + count))


@pytest.mark.parametrize("index", [-1, NUMBERS_MAX])
def test_a_number_of_another_width_is_refused(index: int) -> None:
    with pytest.raises(ValueError, match="expected 0 to"):
        line(index)


@pytest.mark.parametrize(("total", "connections"), [(10, 1), (10, 4), (3, 4), (2_000_000, 64)])
def test_shares_cover_everything_once(total: int, connections: int) -> None:
    ranges = shares(total, connections)
    assert len(ranges) == connections
    assert sum(count for _, count in ranges) == total
    assert all(first + count == following for (first, count), (following, _) in pairwise(ranges))
