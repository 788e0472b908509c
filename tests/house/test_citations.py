"""Files that texts name are in the repository."""

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "logboom"
FILES = [
    *sorted(path for folder in ("src", "tests", "bench") for path in (ROOT / folder).rglob("*.py")),
    *sorted(path for folder in ("docs", "bench") for path in (ROOT / folder).rglob("*.md")),
    *sorted(ROOT.glob("*.md")),
]

PATH = re.compile(r"(?<![\w./:{<>~$*%-])((?:[\w-]+/)+[\w-]+\.(?:py|md|proto|capnp|js|html|toml))\b(?![\w{*])")
DOCUMENT = re.compile(r"(?<![\w/.-])[A-Z]{4,}\.md\b")
FOREIGN = re.compile(r"\b[Dd]ocuments? 00[0-9]")
"""Numbers of documents that only the first developers had; `docs/contracts` has what they said."""

BASES = (ROOT, SOURCE, ROOT / "docs", ROOT / "bench", SOURCE / "web" / "static")
"""Where paths in texts may begin, other than at the text's own folder."""

PLACEHOLDER = "NAME"


def texts_of(path: Path) -> Iterator[tuple[int, str]]:
    """Line number and text of the strings and comments of a module, or of a page outside of code blocks and notes."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        seen = re.sub(
            r"```.*?```|<!--.*?-->", lambda found: "\n" * found[0].count("\n"), text, flags=re.DOTALL
        )
        yield from enumerate(seen.splitlines(), 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.STRING, tokenize.COMMENT):
            yield token.start[0], token.string


def is_there(cited: str, path: Path) -> bool:
    return PLACEHOLDER in cited or any((base / cited).exists() for base in (*BASES, *path.parents[:3]))


def test_there_is_something_to_look_at() -> None:
    assert len(FILES) > 300


def test_cited_files_exist() -> None:
    missing = [
        f"{path.relative_to(ROOT)}:{line}: {cited}"
        for path in FILES
        for line, text in texts_of(path)
        for cited in PATH.findall(text) + DOCUMENT.findall(text)
        if not is_there(cited, path)
    ]
    assert missing == []


def test_no_text_names_a_document_that_is_not_here() -> None:
    named = [
        f"{path.relative_to(ROOT)}:{line}: {found[0]}"
        for path in FILES
        if path.name != "CHANGELOG.md"  # what was released is not rewritten
        for line, text in texts_of(path)
        for found in FOREIGN.finditer(text)
    ]
    assert named == []
