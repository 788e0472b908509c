from collections.abc import Callable

import pytest

from logboom.journal.log import Block
from logboom.outputs.selection import Lines, Selection


@pytest.mark.parametrize(("position", "kept"), [(0, 3), (10, 3), (11, 2), (13, 0), (99, 0)])
def test_lines_that_were_written_are_left_out(
    block_of: Callable[..., Block], position: int, kept: int
) -> None:
    lines = Selection([]).of(block_of(10, 3), position)
    assert lines == Lines(range(13 - kept, 13), block_of(13 - kept, kept).data)


def test_only_the_wanted_listeners(block_of: Callable[..., Block]) -> None:
    device, other, gateway = (
        block_of(n, 1, listener=name).data for n, name in enumerate(("device", "x", "gateway"))
    )
    selection, mixed = Selection(["device", "gateway"]), Block(0, 3, device + other + gateway)
    assert selection.of(mixed, 0) == Lines([0, 2], device + gateway)
    assert selection.of(mixed, 1) == Lines([2], gateway)
    assert selection.of(Block(0, 1, other), 0) == Lines([], b"")
    assert selection.of(Block(0, 1, device), 0) == Lines(range(1), device)


def test_a_look_alike_in_a_source_is_no_listener(block_of: Callable[..., Block]) -> None:
    block = block_of(0, 1, listener='x","listener":"device')
    assert Selection(["device"]).of(block, 0).data == b""


def test_only_entries_that_match_the_query_and_the_rest_is_counted_once(
    block_of: Callable[..., Block],
) -> None:
    selection, block = Selection(query="n:>=2 -n:3"), block_of(0, 5)
    entries = block.data.splitlines(keepends=True)
    assert selection.of(block, 0) == Lines([2, 4], entries[2] + entries[4])
    assert selection.skipped == 3
    assert selection.of(block, 3) == Lines([4], entries[4])  # again, as after an error
    assert selection.of(block_of(3, 4), 5) == Lines(range(5, 7), block_of(5, 2).data)
    assert selection.of(block_of(7, 0), 7) == Lines(range(7, 7), b"")
    assert selection.skipped == 3


def test_listeners_and_query_both_apply(block_of: Callable[..., Block]) -> None:
    selection = Selection(["device"], "n:1..2")
    block = Block(0, 4, block_of(0, 2).data + block_of(2, 2, listener="x").data)
    assert selection.of(block, 0) == Lines([1], block_of(1, 1).data)
    assert selection.skipped == 3


def test_damaged_lines_do_not_stop_a_query(block_of: Callable[..., Block]) -> None:
    block = Block(0, 3, block_of(0, 1).data + b'{"received_at":dry\n' + block_of(2, 1).data)
    assert Selection(query="n:2").of(block, 0) == Lines([2], block_of(2, 1).data)
