"""Text of unknown origin is shown, and does nothing."""

import json
import sys
import unicodedata

import pytest

from logboom.formats.harmless import visible, visible_in_colour, visible_json, visible_lines

HARMFUL = {"Cc", "Cf", "Cs", "Zl", "Zp"}
WRITING = {"ARABIC", "SYRIAC", "KAITHI"}
"""Scripts that have format characters with a shape."""

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
PERSIAN = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"


def test_no_character_that_acts_or_hides_is_left_as_it_is() -> None:
    left = [
        code
        for code in range(sys.maxunicode + 1)
        if code != ord("\t")
        and unicodedata.category(chr(code)) in HARMFUL
        and chr(code) in visible(f"a{chr(code)}b")
    ]
    assert {unicodedata.name(chr(code), "").partition(" ")[0] for code in left} <= WRITING


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain \U0001f493 ü 日本語 \u00a0 \u3000", "plain \U0001f493 ü 日本語 \u00a0 \u3000"),
        ("tab\there", "tab\there"),
        ("a\nb\rc\bd\x07e\0", r"a\nb\rc\x08d\x07e\x00"),
        ("a\x1b[8mhidden\x1b[0mb", "ahiddenb"),
        ("\x1b[31;1mred\x1b[38;2;0;0;0mblack\x1b[m", "redblack"),
        (
            "\x1b[2J\x1b[H\x1b]52;c;QQ==\x07\x1bP$q\x1b\\",
            r"\x1b[2J\x1b[H\x1b]52;c;QQ==\x07\x1bP$q\x1b\ "[:-1],
        ),
        ("\x9b2J\x90x\x9c\x85", r"\x9b2J\x90x\x9c\x85"),
        ("\x1b[\x1b[0m2J", r"\x1b[2J"),
        ("user\u202etxt.exe\u2066\u2069\u200f", r"user\u202etxt.exe\u2066\u2069\u200f"),
        ("one\u2028two\u2029three", r"one\u2028two\u2029three"),
        ("ad\u200bmin\ufeff\u2060\xad", r"ad\u200bmin\ufeff\u2060\xad"),
        ("tag\U000e0041\U000e007f\U000e0101\ufe00", r"tag\U000e0041\U000e007f\U000e0101\ufe00"),
        ("a\u200db\u200c", r"a\u200db\u200c"),
        ("\u3164\u115f\uffa0\u034f", r"\u3164\u115f\uffa0\u034f"),
        (
            "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u26a0\ufe0f",
            "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u26a0\ufe0f",
        ),
        (
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        ),
        ("caf\udce9 \ud83d", r"caf\xe9 \ud83d"),
    ],
    ids=ascii,
)
def test_what_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_lines_of_ours_stay_lines() -> None:
    assert visible_lines("a\x1bb\nc") == "a\\x1bb\nc"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m\x1b[0m"),
        ("\x1b[1;4;93mx", "\x1b[1;4;93mx\x1b[0m"),
        ("\x1b[mx", "\x1b[0mx\x1b[0m"),
        ("\x1b[8mhidden", "hidden"),
        ("\x1b[30mblack\x1b[37mwhite\x1b[40;47mon\x1b[7m\x1b[2m\x1b[5m\x1b[90m\x1b[97m", "blackwhiteon"),
        ("\x1b[31;8mx", "\x1b[31mx\x1b[0m"),
        ("\x1b[38;5;32mx\x1b[48;2;31;32;33;36my", "x\x1b[36my\x1b[0m"),
        ("\x1b[4:3mx\x1b[38:2::31:32:33my", "xy"),
        ("\x1b[38mx\x1b[38;5my", "xy"),
        ("\x1b[31mr\x1b[2J\r\u202e", "\x1b[31mr\\x1b[2J\\r\\u202e\x1b[0m"),
        ("no colours\u2028", r"no colours\u2028"),
        ("\x1b[" + "1;" * 60 + "mx", r"\x1b[" + "1;" * 60 + "mx"),
    ],
    ids=ascii,
)
def test_only_colours_that_can_be_seen_stay(text: str, shown: str) -> None:
    assert visible_in_colour(text) == shown


def test_json_is_the_same_to_a_program() -> None:
    value = {"a\u202e": "\x7f\x85\u2028\U000e0041 ü \U0001f493 \x1b[8m\n", "n": [1, None]}
    text = visible_json(json.dumps(value, ensure_ascii=False))
    assert json.loads(text) == value
    assert visible(text) == text
    assert "ü \U0001f493" in text
    plain = visible_json(json.dumps(value, ensure_ascii=False), ascii_only=True)
    assert plain.isascii()
    assert json.loads(plain) == value
