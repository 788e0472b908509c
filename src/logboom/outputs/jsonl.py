"""Output `jsonl`: the entries, one JSON object per line (docs/contracts/line-files.md)."""

import re
import secrets
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from logboom.formats.envelope import Envelope
from logboom.outputs.file_output import FileOutput, FileSettings
from logboom.outputs.selection import Lines

_STRING: Final = rb'"(?:[^"\\\n]++|\\.)*+"'
_TAIL: Final = re.compile(
    rb',"source":' + _STRING + rb'(?:,"key":' + _STRING + rb')?+,"listener":' + _STRING + rb"\}\n"
)
"""The part of a journal line after the entry. It can't match inside an entry, which has no newline, and ends with its
own brace."""

_BETWEEN: Final = b',"%b",' % secrets.token_hex(16).encode()
"""Substitute for a line's end in an array of lines. No sender can know it."""

_BLANKS: Final = (b" ", b"\t", b"\r")

_decoder: Final = msgspec.json.Decoder(Envelope)


class JsonlSettings(FileSettings, kw_only=True, forbid_unknown_fields=True):
    """`type = "jsonl"`: one line `{"received_at":…,"entry":…}` per entry."""

    compact: Annotated[
        bool,
        Meta(
            description='Remove blanks between the tokens of an entry, so that `grep \'"level":"error"\'` works '
            "for every sender. False: each entry is written byte for byte as it was sent."
        ),
    ] = True


class JsonlOutput(FileOutput):
    """Journal lines without `source` and `listener`; see `FileOutput` for the arguments."""

    def __init__(self, settings: JsonlSettings, name: str, data_dir: Path, **more: Any) -> None:
        super().__init__(settings, name, data_dir, **more)
        self._compact = settings.compact

    def render(self, lines: Lines) -> Lines:
        """See `FileOutput.render`."""
        data = strip_tails(lines.data, len(lines.sequences))
        rendered = _one_by_one(lines) if data is None else Lines(lines.sequences, data)
        return rendered._replace(data=compacted(rendered.data)) if self._compact else rendered


def strip_tails(data: bytes, count: int) -> bytes | None:
    """Remove the part after the entry from `count` journal lines; None when some line is damaged.

    Most lines of a block share a source, and a plain `replace` is three times as fast as the regex, so it
    is tried first with the last line's tail.
    """
    tail = data[data.rfind(b',"source":') :]
    if not _TAIL.fullmatch(tail):
        return None
    stripped = data.replace(tail, b"}\n")
    rest = count - (len(data) - len(stripped)) // (len(tail) - 2)
    if rest:
        stripped, found = _TAIL.subn(b"}\n", stripped)
        rest -= found
    return None if rest else stripped


def compacted(data: bytes) -> bytes:
    """Remove the blanks between the tokens of JSON lines; strings and the digits of numbers are not changed."""
    if not any(blank in data for blank in _BLANKS):
        return data
    try:
        whole = msgspec.json.format(b"[%b]" % data[:-1].replace(b"\n", _BETWEEN), indent=-1)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return b"".join([_compacted_line(line) for line in data.split(b"\n")[:-1]])
    return whole[1:-1].replace(_BETWEEN, b"\n") + b"\n"


def _compacted_line(line: bytes) -> bytes:
    """Compact one line; it is returned unchanged if it is nested too deep."""
    try:
        return msgspec.json.format(line, indent=-1) + b"\n"
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return line + b"\n"


def _one_by_one(lines: Lines) -> Lines:
    """Render a block with a damaged line: all other lines are kept."""
    good = [
        (sequence, line)
        for sequence, raw in zip(lines.sequences, lines.data.split(b"\n"), strict=False)
        if (line := _rebuild(raw)) is not None
    ]
    return Lines([sequence for sequence, _ in good], b"".join([line for _, line in good]))


def _rebuild(raw: bytes) -> bytes | None:
    try:
        envelope = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    received_at = msgspec.json.encode(envelope.received_at)
    return b'{"received_at":%b,"entry":%b}\n' % (received_at, bytes(envelope.entry))
