r"""Neutralization of untrusted text for terminals: control and invisible characters become escapes such as `\x1b`.

Used for everything that is displayed: `tail`, `logs`, `stats`, messages of commands, the operational log.
"""

import re

_CONTROLS = "\x00-\x08\x0a-\x1f\x7f-\x9f"
_INVISIBLE = (
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Line and paragraph separators, bidirectional marks, overrides and isolates, zero-width characters, fillers, tags and
other invisible characters. Variation selectors 15 and 16 are allowed, as emoji use them."""

_LONE_JOINERS = "(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])"
"""Zero-width joiners next to ASCII; between other letters and emoji they are legitimate."""

_HARMFUL = re.compile(f"[{_CONTROLS}{_INVISIBLE}\ud800-\udfff]|{_LONE_JOINERS}")
_NOT_ASCII = re.compile("[^\t\x20-\x7e]")
_COLOURS = re.compile(r"\x1b\[([0-9;:]{0,64})m")
_RESET = "\x1b[0m"
_KEPT = frozenset({0, 1, 3, 4, 22, 23, 24, *range(31, 37), 39, *range(91, 97)})
"""Bold, italic, underlined, and the colours that are readable on black and on white. Attributes that can hide text are
removed: conceal, black, white, background, and colours by number, which may match the background."""
_OPERANDS = {"5": 1, "2": 3}
"""Number of parameters after 38, 48 or 58 and the kind of colour."""


def visible(text: str) -> str:
    r"""Make one line of text safe for a terminal.

    Colours are removed; other control or invisible characters are escaped: `\x1b`, `\n`, `\u202e`. Tabs stay.
    Lone surrogates, which occur in file names that are not UTF-8, are escaped, too, so that the text can be encoded.
    """
    if text.isascii() and text.isprintable():  # the usual case: 40 ns
        return text
    return _HARMFUL.sub(_shown, _COLOURS.sub("", text))


def visible_lines(text: str) -> str:
    """Apply `visible` to each line of a trusted text."""
    return "\n".join(map(visible, text.split("\n")))


def visible_in_colour(text: str) -> str:
    """Apply `visible` to one line, but keep readable colours, with a reset at the end."""
    if "\x1b" not in text:
        return visible(text)
    pieces = _COLOURS.split(text)
    shown = [_HARMFUL.sub(_shown, piece) for piece in pieces[::2]]
    colours = [*map(_kept, pieces[1::2]), ""]
    ends = _RESET if any(colours) else ""
    return "".join(piece + colour for piece, colour in zip(shown, colours, strict=True)) + ends


def visible_json(text: str, *, ascii_only: bool = False) -> str:
    r"""Make a JSON text safe for a terminal with JSON's own escapes, so that its meaning stays the same.

    Args:
        text: JSON with no white space but blanks between its tokens.
        ascii_only: escape every character that is not ASCII, for streams with an encoding other than UTF-8.
    """
    if text.isascii() and text.isprintable():
        return text
    return (_NOT_ASCII if ascii_only else _HARMFUL).sub(_escaped, text)


def _shown(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a name that is not UTF-8
        code -= 0xDC00
    short = _SHORT.get(code)
    if short:
        return short
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


_SHORT = {ord("\n"): "\\n", ord("\r"): "\\r"}


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"


def _kept(parameters: str) -> str:
    """Colour sequence with only its readable parts; empty for none."""
    words = iter(parameters.split(";"))
    kept: list[str] = []
    for word in words:
        if word in {"38", "48", "58"}:
            for _ in range(_OPERANDS.get(next(words, ""), 0)):
                next(words, None)
        elif (int(word) if word.isdecimal() else 0 if not word else -1) in _KEPT:
            kept.append(str(int(word or 0)))
    return f"\x1b[{';'.join(kept)}m" if kept else ""
