from pathlib import Path

import pytest

from logboom.errors import OutputError
from logboom.outputs.journal_id import journal_id


def test_a_journal_keeps_its_name(tmp_path: Path) -> None:
    name = journal_id(tmp_path / "a")
    assert journal_id(tmp_path / "a") == name
    assert journal_id(tmp_path / "b") != name
    assert [path.name for path in (tmp_path / "a" / "outputs").iterdir()] == ["journal-id"]


@pytest.mark.parametrize("text", ["", "x" * 32, "ab" * 15, "\0\0\0", "ü"])
def test_a_damaged_name_is_told(tmp_path: Path, text: str) -> None:
    journal_id(tmp_path)
    path = tmp_path / "outputs" / "journal-id"
    path.write_text(text)
    with pytest.raises(OutputError, match="expected 32 hexadecimal digits"):
        journal_id(tmp_path)
    assert path.read_text() == text


def test_of_two_that_start_at_once_the_first_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "outputs" / "journal-id"
    link = Path.hardlink_to

    def second(self: Path, target: Path) -> None:
        path.write_text("ab" * 16)
        link(self, target)

    monkeypatch.setattr(Path, "hardlink_to", second)
    assert journal_id(tmp_path) == "ab" * 16
    assert [file.name for file in path.parent.iterdir()] == ["journal-id"]
