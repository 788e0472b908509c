"""Messages that the troubleshooting page quotes are in the code."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import logboom

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "troubleshooting.md"
SOURCE = Path(logboom.__file__).parent
FRAGMENT_CHARS_MIN = 6
"""Shorter pieces between two `…` would be found anywhere."""

OTHERS = ("Address already in use", "Permission denied", "certificate verify failed", "[+] ")
"""What the system says."""


@cache
def said() -> str:
    """Every text of the code and of the page's scripts; what is filled in is left out."""
    texts = [path.read_text(encoding="utf-8") for path in SOURCE.rglob("static/*.js")]
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
                texts.append("".join(map(str, parts)))
    return "\n".join(texts)


def quoted() -> list[str]:
    """The messages in the first column of the page's tables."""
    cells = re.findall(r"^\| (`.*?) \| ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [text for cell in cells for text in re.findall(r"`(.+?)`(?=, `|$)", cell)]


def test_there_are_messages() -> None:
    assert len(quoted()) > 40


@pytest.mark.parametrize("message", quoted())
def test_a_quoted_message_is_in_the_code(message: str) -> None:
    for word in OTHERS:
        message = message.replace(word, "…")
    code = said()
    pieces = [piece.strip(" :.,;") for piece in re.split(r"…|: (?=[a-z])|[{}\"]", message)]
    for piece in pieces:
        assert len(piece) < FRAGMENT_CHARS_MIN or piece in code, f"{piece!r} of {message!r}"
