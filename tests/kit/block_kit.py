"""Blocks of journal lines, and an output that takes them."""

from logboom.journal.log import Block
from logboom.journal.segments import prefix, suffix
from logboom.outputs.base import Output
from logboom.testing.output_kit import FIRST_NS


def block(
    *entries: bytes, first: int = 0, peer: str = "10.0.0.1", listener: str = "gateway", apart_s: int = 1
) -> Block:
    """Entries as they come from the journal, received so many seconds apart; sequence 0 at `FIRST_NS`."""
    lines = [
        prefix(FIRST_NS + (first + number) * apart_s * 1_000_000_000) + entry + suffix(peer, listener)
        for number, entry in enumerate(entries)
    ]
    return Block(first, len(lines), b"".join(lines))


def store(output: Output, *blocks: Block) -> None:
    """Write blocks from opening to closing."""
    output.open()
    for one in blocks:
        output.write(one)
    output.flush()
    output.close()
