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
