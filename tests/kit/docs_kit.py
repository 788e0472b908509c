"""Code blocks of Markdown pages: found, read as commands with what they print, and compared with what they do print.

A block is ```` ```console ````: lines that begin with `$ ` are commands, a line that ends with a backslash goes on in
the next, lines that begin with `> ` belong to a here-document, everything else is what the command prints. `…` stands
for anything; alone on a line, for any number of lines. `# exit code 3` after a command tells how it ends.

An HTML comment right above a block tells what readers need not see:

    <!-- not run here: needs systemd -->
    <!-- file: logboom.toml -->                  the page asks to save it under this name
    <!-- file: logboom.toml; profile: device -->  and to use it with this profile
    <!-- ready: listening -->                    it runs until it is stopped, and is ready once it prints this
    <!-- change: src/… -->                       a ```` ```diff ````: its lines with `+` are added to this file, its
                                                 lines with `-` removed; all others have to be there, once
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

FENCE: Final = re.compile(r"^(```+)(\w*)\s*$")
_NOTE: Final = re.compile(r"^<!-- *(.*?) *-->$")
_EXIT_CODE: Final = re.compile(r"#.*\bexit code (\d+)")
ANYTHING: Final = "…"

_CHANGING: Final = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:\d\d)?"), "<time>"),
    (re.compile(r"\d{4}-\d\d-\d\d"), "<date>"),
    (re.compile(r"\b\d\d:\d\d:\d\d(?:\.\d+)?\b"), "<time>"),
    (re.compile(r"(?<![\d.])\d[\d,]*\.\d+(?![\d.]*\.\d)"), "<number>"),
    (re.compile(r"(?<=:)[1-6]\d{4}\b"), "<port>"),
    (re.compile(r"\blb_[\w…-]+"), "<token>"),
    (re.compile(r"\bpid \d+"), "pid <pid>"),
    (re.compile(r"\b0\.0\.0\.0\b"), "127.0.0.1"),
)
"""Values that differ between runs: times, measured numbers, ports, tokens, process ids, addresses."""


class Block(NamedTuple):
    """A fenced block of a page."""

    line: int
    """Of its fence, from 1."""
    language: str
    text: str
    note: str
    """The comment above it; empty: there is none."""

    @property
    def exemption(self) -> str:
        """Reason for not running it; empty if it is run."""
        return self._noted("not run here")

    @property
    def file(self) -> str:
        """The name to save it by; empty: it is not saved."""
        return self._noted("file")

    @property
    def ready_text(self) -> str:
        """What its command prints once it is ready to stay; empty: it ends by itself, or is known."""
        return self._noted("ready")

    @property
    def profile(self) -> str:
        """The profile that a configuration belongs to; empty: it stands alone."""
        return self._noted("profile")

    @property
    def change(self) -> str:
        """Path of the file that the block changes; empty: it changes none."""
        return self._noted("change")

    def _noted(self, key: str) -> str:
        parts = (part.partition(":") for part in self.note.split(";"))
        return {name.strip(): value.strip() for name, _, value in parts}.get(key, "")


class Command(NamedTuple):
    """One command of a console block."""

    line: int
    text: str
    shown: tuple[str, ...]
    """The lines that the page shows below it."""
    code: int


def blocks_of(page: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order; a block in a list is indented, and its text is not."""
    above, fence, start, indent, taken = "", None, 0, 0, list[str]()
    for number, whole in enumerate(page.splitlines(), 1):
        line = whole[indent:] if fence and whole[:indent].isspace() else whole
        found = FENCE.match(line.strip())
        if fence is None and found is not None:
            fence, start, indent, taken = found, number, len(whole) - len(whole.lstrip()), []
        elif fence is not None and line.strip() == fence[1]:
            yield Block(start, fence[2], "\n".join(taken) + "\n", above)
            above, fence, indent = "", None, 0
        elif fence is not None:
            taken.append(line)
        elif line.strip():
            note = _NOTE.match(line.strip())
            above = note[1] if note is not None else ""


def apply_change(block: Block, folder: Path) -> None:
    """Apply a block with a `change` to its file under `folder`. Raises `AssertionError` when it does not fit."""
    lines = [(line[:1] or " ", line[1:]) for line in block.text.splitlines()]
    before = "\n".join([text for sign, text in lines if sign in " -"]) + "\n"
    after = "\n".join([text for sign, text in lines if sign in " +"]) + "\n"
    path = folder / block.change
    text = path.read_text(encoding="utf-8")
    assert text.count(before) == 1, (
        f"line {block.line}: {block.change} does not have these lines once:\n{before}"
    )
    path.write_text(text.replace(before, after), encoding="utf-8")


def commands_of(block: Block) -> list[Command]:
    """The commands of a console block."""
    found: list[tuple[int, list[str], list[str]]] = []
    for number, line in enumerate(block.text.splitlines(), block.line + 1):
        if found and not found[-1][2] and (found[-1][1][-1].endswith("\\") or line.startswith("> ")):
            found[-1][1].append(line.removeprefix("> "))
        elif line.startswith("$ "):
            found.append((number, [line[2:]], []))
        elif found:
            found[-1][2].append(line.rstrip())
    return [
        Command(number, "\n".join(text), _trimmed(shown), _code_of("\n".join(text)))
        for number, text, shown in found
    ]


def _trimmed(lines: list[str]) -> tuple[str, ...]:
    while lines and not lines[-1]:
        lines.pop()
    return tuple(lines)


def _code_of(text: str) -> int:
    found = _EXIT_CODE.search(text)
    return int(found[1]) if found is not None else 0


def steady(text: str) -> str:
    """A text without what differs from run to run."""
    for pattern, word in _CHANGING:
        text = pattern.sub(word, text)
    return text


def is_shown(shown: tuple[str, ...], printed: str, *, among_others: bool = False) -> bool:
    """Whether a command printed what its page shows.

    Args:
        shown: the page's lines.
        printed: everything the command printed.
        among_others: there may be other lines before, between and after those shown.
    """
    gap = "(?:.*\n)*?"
    lines = [gap if line.strip() == ANYTHING else _pattern(line) for line in shown]
    text = "".join(f"{line.rstrip()}\n" for line in steady(printed).splitlines()).lstrip("\n")
    if among_others:
        return re.fullmatch(f"{gap}{gap.join(lines)}{gap}", text) is not None
    return re.fullmatch("".join(lines) + "\n*", text) is not None


def _pattern(line: str) -> str:
    return ".*".join(map(re.escape, steady(line).split(ANYTHING))) + "\n"
