"""Each example of the page about the query language finds what the page says, in a real journal."""

import re
from pathlib import Path

import msgspec
import pytest

from logboom.journal.folder_log import FolderLog
from logboom.query.matching import Filter
from logboom.query.search import Search
from logboom.testing.output_kit import write_journal

PAGE = Path(__file__).parents[2] / "docs/how-to/query-language.md"
TEXT = PAGE.read_text(encoding="utf-8")
ENTRIES = re.search(r"```jsonl\n(.*?)```", TEXT, re.DOTALL)
ROWS = re.findall(r"^\| `(.+?)` \| ([\d, ]*)\|", TEXT, re.MULTILINE)


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert ENTRIES is not None
    folder = tmp_path_factory.mktemp("language")
    write_journal(folder, ENTRIES[1].encode().splitlines(), sources=[("10.0.0.1", "http")])
    return folder / "journal"


def test_the_page_has_examples() -> None:
    assert len(ROWS) > 30


@pytest.mark.parametrize(("query", "numbers"), ROWS, ids=[query for query, _ in ROWS])
def test_an_example_finds_what_the_page_says(journal: Path, query: str, numbers: str) -> None:
    found = Search(FolderLog(journal)).forward(Filter(text=query), 100).found
    assert [msgspec.json.decode(one.entry)["n"] for one in found] == [
        int(n) for n in re.findall(r"\d+", numbers)
    ]
