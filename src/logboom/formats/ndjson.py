"""Validation of newline-delimited JSON, a whole chunk of lines in as few calls as possible."""

import re
from collections.abc import Callable
from typing import Final

import msgspec

from logboom.formats.nesting import NESTING_MAX, is_too_deep
from logboom.model import REASONS_MAX, Batch, Verdict

_MARK: Final = b"\nnull null\n"
_MARK_GROWTH: Final = len(_MARK) - 1

_NUMBER: Final = rb"(?:NaN|-?Infinity)(?![ \t\r]*+:)"
_BEYOND_JSON: Final = re.compile(
    rb'((?:[^"NI\-]++|"(?:[^"\\\n]++|\\.)*+"?|(?!' + _NUMBER + rb")[NI\-])*+)(" + _NUMBER + rb"|\Z)"
)
"""The bytes before one of Python's numbers that JSON does not have, including strings; then the number, or the end.

Each match begins at the end of the one before, so that the time is linear in the length for any input.
"""

_HALF: Final = rb"u[dD][89a-fA-F][0-9a-fA-F]{2}"
_PAIR: Final = rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_HALF_PAIR: Final = re.compile(
    rb"(?:[^\\]++|\\(?!" + _HALF + rb")[^\n]?|" + _PAIR + rb")*+(?:\\(?=" + _HALF + rb")|\Z)"
)
"""The bytes before a lone surrogate escape, with its backslash; or the rest."""

EntryDecoder = msgspec.json.Decoder[object]
"""Decoder of a Struct with only the required fields, or None (`NULL | Struct`)."""

_decode_any: Final = msgspec.json.Decoder().decode


def entry_decoder(struct: type[msgspec.Struct], *, strict: bool = True) -> EntryDecoder:
    """Make a decoder for entries that must have the fields of `struct`; a lax one accepts numbers in strings."""
    return msgspec.json.Decoder(struct | None, strict=strict)


def judge_all(chunk: bytes, decoder: EntryDecoder, *, wants_levels: bool = False) -> Batch | None:
    r"""Validate a chunk of complete lines at once; None when not all are good.

    Args:
        chunk: lines, joined by `\n` or `\r\n`, each within the line limit.
        decoder: from `entry_decoder`.
        wants_levels: also collect the `level` attribute of each decoded entry.
    """
    size = len(chunk) + 1
    if b"\r" in chunk:
        chunk = chunk.replace(b"\r\n", b"\n").removesuffix(b"\r")
    entries = decode_all(chunk, decoder)
    if entries is None:
        return None
    levels = [entry.level for entry in entries] if wants_levels else None  # type: ignore[attr-defined]
    return Batch(chunk, bytes(len(entries)), size_bytes=size, levels=levels)


def decode_all(chunk: bytes, decoder: EntryDecoder) -> list[object] | None:
    r"""Decode all lines with one call; None when some line is not exactly one good entry.

    `decode_lines` accepts any white space as a separator: it would accept two objects on a line, and one object
    over two lines. So every newline is replaced by two nulls first. Inside a value, two adjacent nulls are a syntax
    error in any context, so each newline must be between values; and the nulls must be decoded at every second and
    third place, so each line must contain one entry. This costs a third of counting `}\n{`.
    """
    marked = chunk.replace(b"\n", _MARK)
    gaps = (len(marked) - len(chunk)) // _MARK_GROWTH
    if not chunk.isascii() and not is_utf8(chunk):  # decoders do not check unknown fields
        return None
    if is_too_deep(chunk):
        return None
    try:
        found = decoder.decode_lines(marked)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    entries = found[::3]
    complete = len(found) == 3 * gaps + 1 and None not in entries
    if complete and found[1::3].count(None) == gaps and found[2::3].count(None) == gaps:
        return entries
    return None


def is_utf8(data: bytes) -> bool:
    """Return whether `data` is valid UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def judge_each(
    chunk: bytes,
    decoder: EntryDecoder,
    *,
    wants_levels: bool = False,
    rescue: Callable[[bytes], bool] | None = None,
) -> Batch:
    """Validate line by line, for chunks with a bad or a blank line. About ten times as slow.

    Args:
        chunk: as for `judge_all`.
        decoder: as for `judge_all`.
        wants_levels: as for `judge_all`.
        rescue: called with objects that the decoder rejects; True accepts them.
    """
    fixed = repaired(chunk)
    if fixed is not chunk:
        batch = judge_all(fixed, decoder, wants_levels=wants_levels)
        if batch is not None:
            batch.size_bytes = len(chunk) + 1
            return batch
    good: list[bytes] = []
    verdicts = bytearray()
    levels: list[object] = []
    reasons: list[str] = []
    raws: list[bytes] = []
    for raw in fixed.split(b"\n"):
        line = raw.removesuffix(b"\r")
        if not line or line.isspace():
            continue
        verdict, detail = judge_line(line, decoder)
        if verdict is Verdict.MISSING_FIELD and rescue is not None and rescue(line):
            verdict = Verdict.ACCEPTED
        verdicts.append(verdict)
        if verdict is Verdict.ACCEPTED:
            good.append(line)
            if wants_levels:
                levels.append(detail.level)  # type: ignore[attr-defined]
        elif len(reasons) < REASONS_MAX:
            reasons.append(str(detail))
            raws.append(line)
    return Batch(
        b"\n".join(good),
        bytes(verdicts),
        size_bytes=len(chunk) + 1,
        levels=levels if wants_levels else None,
        reasons=tuple(reasons),
        raws=tuple(raws),
    )


def repaired(data: bytes) -> bytes:
    r"""Turn common deviations from JSON into valid JSON; returns the same object when there is nothing to change.

    Python's `NaN`, `Infinity` and `-Infinity` become strings, as in protobuf's JSON. A lone surrogate escape, which
    programs send that cut a text in the middle of an emoji, becomes the six characters that were sent, such as
    `\ud83d`: it stands for no character, and most readers reject the document. Takes up to 0.15 µs per byte.
    """
    if b"NaN" in data or b"Infinity" in data:
        data = _with_quoted_numbers(data)
    if b"\\ud" in data or b"\\uD" in data:
        data = _with_escaped_halves(data)
    return data


def _with_quoted_numbers(data: bytes) -> bytes:
    parts = _BEYOND_JSON.split(data)
    del parts[::3]  # empty parts between the matches
    numbers = sum(map(bool, parts[1::2]))
    return b'"'.join(parts[: 2 * numbers + 1]) if numbers else data


def _with_escaped_halves(data: bytes) -> bytes:
    parts = _HALF_PAIR.findall(data)
    while parts and not parts[-1]:
        parts.pop()
    return b"\\".join(parts) if len(parts) > 1 else data


def judge_line(line: bytes, decoder: EntryDecoder) -> tuple[Verdict, object]:
    """Validate one line; returns its verdict, and the decoded entry or the reason for a refusal."""
    if not line.isascii() and not is_utf8(line):
        return Verdict.NOT_JSON, "not UTF-8"
    if is_too_deep(line):
        return Verdict.NOT_JSON, f"not JSON: nested deeper than {NESTING_MAX} levels"
    try:
        entry = decoder.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        return _classify(line, error)
    if entry is None:
        return Verdict.NOT_OBJECT, "found null, expected a JSON object"
    return Verdict.ACCEPTED, entry


def _classify(line: bytes, error: Exception) -> tuple[Verdict, str]:
    """Distinguish invalid JSON from valid JSON of the wrong shape: clients of the collector get different replies."""
    try:
        value = _decode_any(line)
    except (msgspec.DecodeError, RecursionError) as syntax:
        return Verdict.NOT_JSON, f"not JSON: {syntax}"
    if not isinstance(value, dict):
        return Verdict.NOT_OBJECT, f"found a JSON {type(value).__name__}, expected an object"
    return Verdict.MISSING_FIELD, str(error)
