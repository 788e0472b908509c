"""The measured line: an ESP32's log entry, compact, made unique by its number.

`seq` is a running number of nine digits over all connections of a trial; `msg` is shorter than in the
document by as many bytes as the number is longer, so that the line keeps its 263 bytes and the newline.
"""

from typing import Final

HEAD: Final = b'{"boot_seq":3,"uptime_ms":45000,"seq":'
TAIL: Final = (
    b',"ts":"2025-11-12T19:08:58.837902+00:00","level":"info","msg":"WiFi up","system":{"heap_free":200000,'
    b'"heap_used":50000,"uptime_ms":45000,"free_psram":4194304,"task_count":3,"spiffs_free":900000,'
    b'"spiffs_used":100000}}'
)
NUMBER_DIGITS: Final = 9
NUMBER_FIRST: Final = 10 ** (NUMBER_DIGITS - 1)
NUMBERS_MAX: Final = 10**NUMBER_DIGITS - NUMBER_FIRST
ENTRY_BYTES: Final = len(HEAD) + NUMBER_DIGITS + len(TAIL)
LINE_BYTES: Final = ENTRY_BYTES + 1
ACK: Final = b'{"ack":1}\n'

_BLOCK_DIGITS: Final = 3
_BLOCK_LINES: Final = 10**_BLOCK_DIGITS


def line(index: int) -> bytes:
    """The line number `index`, counted from 0, with its newline."""
    if not 0 <= index < NUMBERS_MAX:
        raise ValueError(f"line index {index}, expected 0 to {NUMBERS_MAX - 1}")
    return b"%b%d%b\n" % (HEAD, NUMBER_FIRST + index, TAIL)


def payload(first: int, count: int) -> bytes:
    """`count` lines from index `first` on, as they go over the wire.

    Made a thousand at a time: a block of lines differs from the next only in the number's leading digits.
    """
    stop = first + count
    block_first = first - first % _BLOCK_LINES
    template_digits = str(NUMBER_FIRST).encode()[:-_BLOCK_DIGITS]
    template = b"".join(line(index) for index in range(_BLOCK_LINES))
    blocks = [
        template.replace(HEAD + template_digits, HEAD + b"%d" % ((NUMBER_FIRST + start) // _BLOCK_LINES))
        for start in range(block_first, stop, _BLOCK_LINES)
    ]
    skipped = (first - block_first) * LINE_BYTES
    return b"".join(blocks)[skipped : skipped + count * LINE_BYTES]


def shares(lines: int, connections: int) -> list[tuple[int, int]]:
    """(first, count) a connection: the lines cut into consecutive ranges that differ by one line at most."""
    quotient, remainder = divmod(lines, connections)
    ranges: list[tuple[int, int]] = []
    first = 0
    for connection in range(connections):
        count = quotient + (connection < remainder)
        ranges.append((first, count))
        first += count
    return ranges
