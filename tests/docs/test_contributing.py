"""The contributor pages: each is followed step by step in a copy of the repository."""

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.docs.test_commands import follow
from tests.kit.docs_kit import apply_change, blocks_of
from tests.kit.docs_session import ReaderSession

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "contributing"
PAGES = sorted(FOLDER.glob("add-*.md"))
COPIED = ("src", "tests", "docs", "bench", "pyproject.toml")
"""Files that the pages' commands read; all others are not copied."""


def copy_of_the_repository(folder: Path) -> Path:
    left_out = shutil.ignore_patterns("__pycache__", "*.egg-info", ".hypothesis")
    folder.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=left_out)
        else:
            shutil.copy(source, folder)
    return folder


def test_there_are_pages() -> None:
    assert {page.stem for page in PAGES} >= {
        "add-a-protocol",
        "add-an-output",
        "add-an-endpoint",
        "add-a-page-view",
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
@pytest.mark.service
def test_a_page_can_be_followed(page: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    text = page.read_text(encoding="utf-8")
    if re.search(r"\bnc -N", text) and shutil.which("nc") is None:
        request.getfixturevalue("missing")("there is no nc")
    if "tests/browser" in text and not any(
        map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
    ):
        request.getfixturevalue("missing")("there is no chromium")
    copy = copy_of_the_repository(tmp_path / "copy")
    path = os.pathsep.join((str(copy / "src"), str(copy)))
    with ReaderSession(copy, ROOT, environment={"PYTHONPATH": path}) as session:
        for block in blocks_of(text):
            if block.change:
                apply_change(block, copy)
            elif not block.exemption:
                follow(session, block, page)
