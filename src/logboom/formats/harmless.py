r"""Text of unknown origin for a terminal: what would act on it, or hide there, is shown as an escape such as `\x1b`.

One function for all that a person reads: `tail`, `logs`, `stats`, messages of commands, the operational log.
"""

import re

_CONTROLS = "\x00-\x08\x0a-\x1f\x7f-\x9f"
_INVISIBLE = (
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Line and paragraph separators, bidirectional marks, overrides and isolates, zero-width characters, fillers, tags and
what else has no shape. Variation selectors 15 and 16 stay: emoji have them."""

_LONE_JOINERS = "(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])"
"""Zero-width joiners beside ASCII; between other letters and emoji they are part of the writing."""

_HARMFUL = re.compile(f"[{_CONTROLS}{_INVISIBLE}\ud800-\udfff]|{_LONE_JOINERS}")
_NOT_ASCII = re.compile("[^\t\x20-\x7e]")
_COLOURS = re.compile(r"\x1b\[([0-9;:]{0,64})m")
_RESET = "\x1b[0m"
_KEPT = frozenset({0, 1, 3, 4, 22, 23, 24, *range(31, 37), 39, *range(91, 97)})
"""Bold, italic, underlined, and the colours that can be read on black and on white. Nothing that hides: no conceal, no
black or white, no background, no colours by number, which may be those of the background."""
_OPERANDS = {"5": 1, "2": 3}
"""The parameters behind 38, 48 or 58 and the kind of colour."""


def visible(text: str) -> str:
    r"""One line of text that does nothing to a terminal but be read.

    Colours are left out; every other control or invisible character is shown: `\x1b`, `\n`, `\u202e`. Tabs stay.
    Half surrogates, which file names that are not UTF-8 have, are shown as well, so that the text can be encoded.
    """
    if text.isascii() and text.isprintable():  # as most is: 40 ns
        return text
    return _HARMFUL.sub(_shown, _COLOURS.sub("", text))


def visible_lines(text: str) -> str:
    """Several lines of our own text, each as `visible` shows it."""
    return "\n".join(map(visible, text.split("\n")))


def visible_in_colour(text: str) -> str:
    """One line as `visible` shows it, with those colours that can be seen, and a reset at the end."""
    if "\x1b" not in text:
        return visible(text)
    pieces = _COLOURS.split(text)
    shown = [_HARMFUL.sub(_shown, piece) for piece in pieces[::2]]
    colours = [*map(_kept, pieces[1::2]), ""]
    ends = _RESET if any(colours) else ""
    return "".join(piece + colour for piece, colour in zip(shown, colours, strict=True)) + ends


def visible_json(text: str, *, ascii_only: bool = False) -> str:
    r"""A JSON text, as harmless as `visible`, and the same to any program: JSON's own escapes stand in it.

    Args:
        text: has no white space between its tokens, other than blanks.
        ascii_only: for streams of another encoding than UTF-8: escape every character that is not ASCII.
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
    """A colour sequence with what is visible of it; empty for none."""
    words = iter(parameters.split(";"))
    kept: list[str] = []
    for word in words:
        if word in {"38", "48", "58"}:
            for _ in range(_OPERANDS.get(next(words, ""), 0)):
                next(words, None)
        elif (int(word) if word.isdecimal() else 0 if not word else -1) in _KEPT:
            kept.append(str(int(word or 0)))
    return f"\x1b[{';'.join(kept)}m" if kept else ""
