"""Random entries and queries, full of what makes words, numbers and names hard to find."""

import json
from typing import Any

from hypothesis import strategies as st

from tests.kit.naive_filter import NaiveEntry

WORDS = [
    *(
        "error",
        "Error",
        "pump",
        "pump_2",
        "PUMP-2",
        "warn",
        "info",
        "timeout",
        "3",
        "7",
        "42",
        "404",
        "1234",
        "19.75",
    ),
    *(
        "7.0",
        "1e5",
        "true",
        "null",
        "café",
        "cafe\u0301",
        "straße",
        "STRASSE",
        "\u212aelvin",
        "kelvin",
        "Ünï",
    ),
    *(
        "错误",
        "接続エラー",
        "误",
        "c:\\new",
        'say "x"',
        "a\nb",
        "\U0001f680",
        "line 1\nsecond",
        "x.y",
        "<b>",
        "\x1b[31m",
    ),
    *("a/b", "10.0.0.1", "user-42", "e", "-5", "", " ", "İ", "\u017f"),
    *("2100", "02100", "+2100", "2.1e3", "21E+2", "2100.0", "2100.", "12345678", "007", "e3", "5.e3"),
]
KEYS = [
    "level",
    "msg",
    "message",
    "temp",
    "Temp",
    "a",
    "b",
    "a.b",
    "a.b.c",
    "source",
    "device",
    "größe",
    'k"q',
    "tag",
    "ts",
]
CHARACTERS = st.one_of(
    st.sampled_from("aAbeEsSkKn19.-+_: \"\\/\n\t<'{},é\u0301ß\u017f\u212a错"),
    st.characters(exclude_categories=["Cs"]),
)
TEXTS = st.one_of(
    st.sampled_from(WORDS),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join),
    st.text(CHARACTERS, max_size=12),
)
NUMBERS = st.one_of(
    st.integers(-10, 10),
    st.integers(-(2**53), 2**53),
    st.sampled_from([19.75, 7.0, 1e5, 1e-7, -5.5, 404, 3, 0.1, 2100, 2100.0, -2100, 12345678, 1e16]),
    st.floats(allow_nan=False, allow_infinity=False),
)
VALUES = st.recursive(
    st.one_of(TEXTS, NUMBERS, st.booleans(), st.none()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=3)
    ),
    max_leaves=6,
)
ENTRIES = st.dictionaries(st.one_of(st.sampled_from(KEYS), TEXTS), VALUES, max_size=5)
LEVELS = st.sampled_from(["error", "warning", "INFO", "40", "debug", "trade"])
BLOCKS = st.lists(
    st.tuples(
        ENTRIES,
        st.booleans(),
        st.sampled_from(["10.0.0.1", "fe80::1", "Pump"]),
        st.sampled_from(["device", "http"]),
    ),
    min_size=1,
    max_size=6,
)


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\0", " ")
    return f'"{escaped}"'


BARE = st.sampled_from(
    [word for word in WORDS if word and not set(word) & set(' "\n*()') and word[0] not in "-~"]
)
PATTERNS = st.one_of(
    BARE,
    BARE.map("{}*".format),
    BARE.map("*{}".format),
    BARE.map("*{}*".format),
    TEXTS.filter(lambda text: text.strip() != "").map(quoted),
)
PATHS = st.sampled_from([key for key in KEYS if '"' not in key] + ['"k\\"q"', "TEMP", "A.B"])
REGEXES = st.sampled_from(
    [
        '~"pump.2"',
        '~"^err"',
        '~"err$"',
        '~"[0-9]{3}"',
        '~"(?i)TIME"',
        '~"x*"',
        '~"\\d+\\.7"',
        '~"ab?c"',
        '~"^$"',
    ]
)
COMPARISONS = st.builds(
    "{}{}".format, st.sampled_from([">", ">=", "<", "<="]), st.sampled_from(["3", "7.0", "-5.5", "1e5"])
)
VALUE_TESTS = st.one_of(
    PATTERNS, REGEXES, COMPARISONS, st.sampled_from(["2..7", "*", "-10..50", "=7", "=pump", '="Pump"'])
)
TERMS = st.one_of(
    PATTERNS,
    REGEXES,
    st.builds("{}:{}".format, PATHS, VALUE_TESTS),
    st.builds("{}={}".format, PATHS, st.one_of(BARE, TEXTS.map(quoted))),
    st.builds("level:{}{}".format, st.sampled_from(["", ">=", "<", "<=", ">"]), LEVELS),
    st.sampled_from(
        ["level:*", "level:warn*", "level:info..error", "listener:device", "source:pump", "source:*0.0*"]
    ),
    st.builds("source:{}".format, PATTERNS),
    st.builds("message:{}".format, st.one_of(PATTERNS, REGEXES)),
)
QUERIES = st.recursive(
    TERMS,
    lambda inner: st.one_of(
        inner.map("-({})".format),
        inner.map("not ({})".format),
        st.builds("({}) ({})".format, inner, inner),
        st.builds("({}) or {}".format, inner, inner),
    ),
    max_leaves=4,
)


def block_of(lines: list[tuple[Any, bool, str, str]]) -> tuple[bytes, list[NaiveEntry]]:
    raws = [json.dumps(entry, ensure_ascii=ascii_only).encode() for entry, ascii_only, _, _ in lines]
    data = b"".join(
        b'{"received_at":"2026-11-30T14:00:00.000000+00:00","entry":%b,"source":"%b","listener":"%b"}\n'
        % (raw, source.encode(), listener.encode())
        for raw, (_, _, source, listener) in zip(raws, lines, strict=True)
    )
    return data, [
        NaiveEntry(raw, source, listener) for raw, (_, _, source, listener) in zip(raws, lines, strict=True)
    ]
