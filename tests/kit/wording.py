"""Counts habits of wording that make texts hard to read, in Python files and Markdown pages.

`python -m tests.kit.wording [PATH…]` prints each finding and the number per habit. A finding is a place to look at.
"""

import ast
import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

_RATE: Final = (
    "second|minute|hour|day|month|million|line|entry|batch|group|message|record|frame|block|segment|file|client|peer|"
    "connection|listener|device|address|source|query|call|stream|body|key|column|row|page|view|core|thread|process|"
    "machine|output|protocol|test|sync|commit|step|command|setting|token|KiB|MiB"
)
_COUNTED: Final = (
    r"one|once|twice|each|\d[\d,.]*(?: ?(?:%|ms|µs|s|[kMG]i?B|[kM]))?|bytes|lines|entries|records|messages|seconds|"
    r"times|connections|calls|requests|reply|replies|answer|response|status|verdict|ack|thread|window|limit|counter|"
    r"count|place|file|folder|prefix|point|checksum|response|object|row"
)


_CODE: Final = re.compile(r"`[^`]*`")
"""Names, and messages that are quoted, in a line of a page."""


class Habit(NamedTuple):
    """A way of wording, and how to put it instead."""

    name: str
    found_by: re.Pattern[str]
    advice: str
    opens: bool = False
    """Only the first line of a docstring counts."""


def _words(*words: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(words)})\b", re.IGNORECASE)


HABITS: Final = (
    Habit(
        "rates",
        re.compile(rf"\b(?:{_COUNTED}) an? (?:{_RATE})\b", re.IGNORECASE),
        "write `per`: one per line, bytes per second",
    ),
    Habit(
        "telling",
        _words("tells?", "told", "telling", "says? so", "said so", "is said", "be said"),
        "write log, report, notify, return, show or name",
    ),
    Habit(
        "persons",
        _words("nobody", "somebody", "anybody", "everybody", "whoever", "guests?", "strangers?"),
        "name the program: client, peer, caller, process",
    ),
    Habit(
        "idioms",
        _words(
            *(
                "for ever",
                "so many",
                "so long after",
                "anew",
                "amid",
                "in vain",
                "mend(?:s|ed|ing)?",
                "put by",
            ),
            *("others than", "turned away", "as good as", "beside", "of its own accord", "goes? on with"),
        ),
        "write forever, this many, again, without result, repair, reserved, rejected, next to, continue",
    ),
    Habit(
        "openings",
        re.compile(
            r"(?:What|How|Whether|Of|Who|Whose|Where|When|Why|Which|That|Those|So|As|Since|In a|One an?|For how"
            r"|By what) "
        ),
        "begin with a noun phrase or an imperative verb that is complete by itself",
        opens=True,
    ),
)


class Finding(NamedTuple):
    """A place where a habit shows."""

    path: Path
    line: int
    habit: Habit
    text: str


class _Text(NamedTuple):
    line: int
    text: str
    opens: bool
    """The first line of a docstring."""


def findings(paths: Iterable[Path]) -> Iterator[Finding]:
    """Every finding in Python files and Markdown pages, in the order of the paths."""
    for path in paths:
        read = path.read_text(encoding="utf-8")
        for line, text, opens in _python(read) if path.suffix == ".py" else _markdown(read):
            for habit in HABITS:
                found = habit.found_by.match(text) if habit.opens else habit.found_by.search(text)
                if found is not None and (opens or not habit.opens):
                    yield Finding(path, line, habit, text)


def _markdown(page: str) -> Iterator[_Text]:
    """The lines of a page without code."""
    inside = False
    for number, line in enumerate(page.splitlines(), 1):
        inside ^= line.lstrip().startswith("```")
        if not inside:
            yield _Text(number, _CODE.sub("…", line).strip(), opens=False)


def _python(source: str) -> Iterator[_Text]:
    """Docstrings, those of attributes included, other strings that have a blank, and comments."""
    tree = ast.parse(source)
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            for offset, line in enumerate(node.value.splitlines()):
                opens = not offset and id(node) in documents
                yield _Text(node.lineno + offset, line.strip(), opens=opens)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield _Text(token.start[0], token.string.lstrip("# "), opens=False)


def files_under(roots: Iterable[Path]) -> list[Path]:
    """Python files and Markdown pages at or below `roots`, sorted; the page's generated parts are left out."""
    files = [file for root in roots for file in ([root] if root.is_file() else sorted(root.rglob("*")))]
    return [file for file in files if file.suffix in {".py", ".md"} and "vendor" not in file.parts]


def main(arguments: list[str]) -> int:
    """Print what is found under the paths. Exit code 1 when there is anything."""
    counts: Counter[str] = Counter()
    for path, line, habit, text in findings(
        files_under(map(Path, arguments or ["src", "docs", "README.md"]))
    ):
        counts[habit.name] += 1
        sys.stdout.write(f"{path}:{line}: {habit.name}: {text[:120]}\n")
    sys.stdout.write(", ".join(f"{habit.name} {counts[habit.name]}" for habit in HABITS) + "\n")
    return 1 if counts else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
