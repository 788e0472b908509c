"""What somebody who can write to the data directory tries, and what `logboom verify --head` says to it."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from logboom.cli import app
from logboom.errors import StorageError
from logboom.journal.manifest import MANIFEST_NAME, read_manifest
from logboom.journal.retention import Retention
from logboom.journal.segments import list_segments
from logboom.testing.crash_kit import Driver, entry_of
from tests.kit.tampering import (
    NEWEST,
    PER_SEGMENT,
    SEALED,
    append_in_a_gap,
    at,
    change,
    change_a_line_of_the_manifest,
    change_and_repair,
    change_and_seal,
    cut_the_manifest,
    date_back,
    delete,
    delete_quietly,
    delete_the_newest,
    drop_the_checksums_and_change,
    empty,
    head,
    lead_astray,
    link,
    make_all_anew,
    readable,
    rename,
    restart,
    seal,
    slip_in,
    slip_in_and_repair,
    slip_in_and_seal,
    slip_in_as_the_newest,
    slip_in_nothing,
    slip_in_where_retention_was,
    swap,
    verify,
)


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    """The command changes that of its process."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A journal: three sealed segments of ten entries, and the newest."""
    driver = Driver(tmp_path / "data", segment_bytes_max=1)
    for start in range(0, 40, PER_SEGMENT):
        driver.store(*[*SEALED, *NEWEST][start : start + PER_SEGMENT])
    driver.close()
    assert len(read_manifest(driver.journal.folder).lines) == 3
    return driver.journal.folder


ALONE = [
    (change, "does not match the hash in line 2 of the manifest"),
    (change_and_seal, "manifest line 4: it contradicts an earlier one"),
    (delete("expired", 10), "gone and said to be past retention, though an older one is there"),
    (delete_quietly, "00000000000000000010.jsonl is missing: 10 entries"),
    (delete_the_newest, "nothing is left of what came after 00000000000000000020.jsonl, from sequence 30 on"),
    (lambda folder: slip_in(folder, 14), "the next segment begins inside it: 6 sealed entries are hidden"),
    (lambda folder: slip_in(folder, 34), "the next segment begins inside it: 6 stored entries are hidden"),
    (slip_in_and_seal, "manifest line 4: it contradicts an earlier one"),
    (slip_in_where_retention_was, "00000000000000000004.jsonl has no hash, though later ones have theirs"),
    (slip_in_nothing, "the next segment begins inside it: 6 sealed entries are hidden"),
    (slip_in_as_the_newest, "the next segment begins inside it: 6 sealed entries are hidden"),
    (rename, "00000000000000000012.jsonl has no hash, though later ones have theirs"),
    (link, "does not match the hash in line 2 of the manifest"),
    (swap, "does not match the hash in line 1 of the manifest"),
    (empty, "0 bytes, 1080 by line 2 of the manifest"),
    (append_in_a_gap, "10 lines follow the sealed ones, and would be read"),
    (drop_the_checksums_and_change, "does not match the hash in line 2 of the manifest"),
    (lead_astray, "its index leads readers to other lines than those they look for"),
    (date_back, "its index leads readers to other lines than those they look for"),
]
WITH_A_HEAD = [
    (change_and_repair, "since that head: 00000000000000000010.jsonl: repaired at 20"),
    (delete("removed", 0), "since that head: 00000000000000000000.jsonl: removed, recorded at 20"),
    (delete("missing", 10), "since that head: 00000000000000000010.jsonl: missing, recorded at 20"),
    (slip_in_and_repair, "since that head: 00000000000000000014.jsonl: did not exist then"),
    (cut_the_manifest, "no whole chain leads to the head"),
    (make_all_anew, "no whole chain leads to the head"),
    (change_a_line_of_the_manifest, "no whole chain leads to the head"),
]


@pytest.mark.parametrize(("attack", "text"), ALONE)
def test_what_is_found_without_a_head(folder: Path, attack: Callable[[Path], None], text: str) -> None:
    noted = head(folder)
    attack(folder)
    code, told = verify(folder)
    assert code == 1
    assert text in told
    assert "all good" not in told
    assert verify(folder, "--head", noted)[0] == 1
    assert verify(folder, "--repair")[0] == 0
    assert verify(folder)[0] == 0


@pytest.mark.parametrize(("attack", "text"), WITH_A_HEAD)
def test_what_takes_a_head_to_be_found(folder: Path, attack: Callable[[Path], None], text: str) -> None:
    noted = head(folder)
    attack(folder)
    assert verify(folder)[0] == 0  # if this gets better: move it above
    code, told = verify(folder, "--head", noted)
    assert code == 1
    assert text in told


def test_a_folder_with_nothing_but_its_manifest(folder: Path) -> None:
    for first in (0, 10, 20, 30):
        at(folder, first).delete()
    code, told = verify(folder)
    assert code == 1
    assert "00000000000000000000.jsonl and 2 others up to 00000000000000000020 is missing" in told
    assert verify(folder, "--repair")[0] == 0
    assert verify(folder)[0] == 0


@pytest.mark.parametrize("attack", [change_and_seal, change, delete_quietly, rename, slip_in_and_repair])
def test_no_repair_hides_it_from_a_head(folder: Path, attack: Callable[[Path], None]) -> None:
    noted = head(folder)
    attack(folder)
    assert verify(folder, "--repair", "--head", noted)[0] == 1
    assert verify(folder)[0] == 0
    assert verify(folder, "--head", noted)[0] == 1
    restart(folder)
    assert verify(folder, "--head", noted)[0] == 1


def test_what_is_said_to_be_past_its_retention_is_named(folder: Path) -> None:
    """Who deletes the oldest and says so can't be told from the server."""
    noted = head(folder)
    delete("expired", 0)(folder)
    code, told = verify(folder, "--head", noted)
    assert code == 0
    assert f"✅ the head {noted} is line 3 of 4 of the manifest: 3 segments, sequences before 30" in told
    assert "deleted since that head, as past retention: 00000000000000000000.jsonl. " in told
    delete("expired", 10)(folder)
    _, told = verify(folder, "--head", noted)
    assert "00000000000000000000.jsonl and 1 others up to 00000000000000000010." in told


def test_the_server_goes_on_after_a_head(folder: Path) -> None:
    noted = head(folder)
    driver = Driver(folder.parent, segment_bytes_max=1)
    for number in range(5):
        driver.store(b'{"more":%d}' % number)
    driver.close()
    Retention(age_max_s=None, bytes_max=2000).apply(folder, 45)
    code, told = verify(folder, "--head", noted.upper())
    assert code == 0
    assert "is line 3 of " in told
    assert "deleted since that head, as past retention: 00000000000000000000.jsonl and " in told


def test_retention_while_verify_reads(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noted = head(folder)
    driver = Driver(folder.parent)  # verify sees that a server is writing
    listed = list_segments(folder)
    monkeypatch.setattr("logboom.journal.verify.list_segments", lambda _folder: listed)
    Retention(age_max_s=None, bytes_max=1).apply(folder, 40)
    assert verify(folder, "--head", noted)[0] == 0
    driver.close()


@pytest.mark.parametrize("wrong", ["", " ", "zz", "0" * 63, "6a1f0c"])
def test_what_is_no_head_is_a_wrong_command_line(folder: Path, wrong: str) -> None:
    """An empty file of a script must not pass for a head that was checked."""
    code, told = verify(folder, "--head", wrong)
    assert code == 2
    assert "64 hexadecimal digits" in " ".join(told.split())


@pytest.mark.parametrize("other", ["0" * 64, "f" * 64])
def test_a_head_of_another_journal(folder: Path, other: str) -> None:
    code, told = verify(folder, "--head", other)
    assert code == 1
    assert f"no whole chain leads to the head {other}" in told


def test_a_journal_without_a_manifest_says_so(folder: Path) -> None:
    noted = head(folder)
    (folder / MANIFEST_NAME).unlink()
    code, told = verify(folder)
    assert code == 0
    assert "no manifest: 3 sealed segments have no hash" in told
    assert verify(folder, "--head", noted)[0] == 1


# --- what is no file ---


def lead_nowhere(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


@pytest.mark.parametrize(
    ("make", "text"), [(Path.mkdir, "Is a directory"), (lead_nowhere, "No such file or directory")]
)
@pytest.mark.parametrize("first", [10, 34])
def test_what_is_no_file_is_told_and_left_to_people(
    folder: Path, make: Callable[[Path], None], text: str, first: int
) -> None:
    noted = head(folder)
    at(folder, first).delete()
    make(at(folder, first).path)
    for options in ((), ("--repair",), ("--head", noted)):
        code, told = verify(folder, *options)
        assert code == 1
        assert f"can't be read: {text}" in told


def test_a_manifest_that_cannot_be_read_is_an_error_of_its_own(folder: Path) -> None:
    (folder / MANIFEST_NAME).unlink()
    (folder / MANIFEST_NAME).mkdir()
    result = CliRunner().invoke(app, ["verify", "--data-dir", str(folder.parent)])
    assert isinstance(result.exception, StorageError)
    assert "Is a directory" in str(result.exception)


def test_a_name_that_leaves_no_room_for_sequences_is_no_segments(folder: Path) -> None:
    (folder / f"{'9' * 20}.jsonl").touch()
    assert restart(folder) == []
    assert readable(folder) == [*SEALED, *NEWEST, b'{"after":1}']


# --- what is put in ---


@pytest.mark.parametrize("first", [14, 24])
def test_a_forgery_is_not_sealed_but_set_aside(folder: Path, first: int) -> None:
    noted = head(folder)
    slip_in(folder, first)
    assert any(b"forged" in entry for entry in readable(folder))
    told = restart(folder)
    name = at(folder, first).name
    assert any(kind == "info" and text.startswith(f"{name}: came after later ones") for kind, text in told)
    assert any(kind == "error" and text.startswith(f"{name} is not sealed: ") for kind, text in told)
    assert head(folder) == noted
    assert verify(folder, "--head", noted)[0] == 1
    assert verify(folder, "--repair")[0] == 0
    assert readable(folder) == [*SEALED, *NEWEST, b'{"after":1}']
    assert b"forged" in (folder.parent / "set-aside" / f"{name}.unlisted").read_bytes()
    assert verify(folder)[0] == 0


def test_nothing_is_appended_to_a_forgery(folder: Path) -> None:
    at(folder, 30).delete()
    slip_in(folder, 24, count=20)
    restart(folder)
    assert b"after" not in at(folder, 24).path.read_bytes()
    assert verify(folder, "--repair")[0] == 0
    assert readable(folder) == [*SEALED, b'{"after":1}']


def test_what_hides_entries_that_are_not_sealed_yet_is_not_sealed(folder: Path) -> None:
    slip_in(folder, 34)
    told = restart(folder)
    assert any(
        text
        == f"{at(folder, 30).name} is not sealed: {at(folder, 34).name} begins inside it and hides what was "
        "stored; see logboom verify"
        for _, text in told
    )
    assert verify(folder, "--repair")[0] == 0
    (aside,) = (folder.parent / "set-aside").iterdir()
    assert (
        list(map(entry_of, aside.read_bytes().splitlines(keepends=True))) == NEWEST[4:]
    )  # nobody knows better
    assert verify(folder)[0] == 0


def test_digits_of_other_scripts_name_no_segment(folder: Path) -> None:
    """They would stand for the same sequence as the real one."""
    noted = head(folder)
    shutil.copy(at(folder, 0).path, folder / ("\N{ARABIC-INDIC DIGIT ZERO}" * 20 + ".jsonl"))
    assert readable(folder) == [*SEALED, *NEWEST]
    assert verify(folder, "--head", noted)[0] == 0


def test_lines_of_a_failed_write_are_set_aside_with_a_repair(folder: Path) -> None:
    """Else checksums over them would look like entries that are hidden."""
    segment = at(folder, 10)
    segment.path.write_bytes(segment.path.read_bytes() + at(folder, 0).path.read_bytes())
    code, told = verify(folder)
    assert (code, "10 lines after a failed write" in told) == (0, True)
    segment.path.write_bytes(segment.path.read_bytes().replace(b'{"n":14}', b'{"n":15}'))
    assert verify(folder, "--repair")[0] == 0
    (aside,) = (folder.parent / "set-aside").iterdir()
    assert aside.suffix == ".surplus"
    assert verify(folder)[0] == 0


def test_a_segment_that_comes_back_is_what_it_was(folder: Path, tmp_path: Path) -> None:
    """A backup makes good what was changed and repaired."""
    noted = head(folder)
    backup = shutil.copytree(folder, tmp_path / "backup")
    change(folder)
    verify(folder, "--repair")
    for suffix in (".jsonl", ".sums", ".index"):
        shutil.copy(backup / at(folder, 10).path.with_suffix(suffix).name, folder)
    assert verify(folder, "--repair")[0] == 0
    assert verify(folder, "--head", noted)[0] == 0


def test_the_line_of_a_seal_that_was_written_twice_contradicts_nothing(folder: Path) -> None:
    """A sync that fails may leave it, and the sealer tries again."""
    seal(folder, 10)
    assert verify(folder)[0] == 0


def test_what_a_repair_makes_is_as_private_as_the_journal(folder: Path) -> None:
    segment = at(folder, 10)
    segment.path.write_bytes(segment.path.read_bytes().replace(b'{"n":14}', b'{"n"\x0014}'))
    segment = at(folder, 30)
    segment.path.write_bytes(segment.path.read_bytes().replace(b'{"n":34}', b'{"n":35}'))
    assert verify(folder, "--repair")[0] == 0
    files = [path for path in folder.parent.rglob("*") if path.is_file()]
    assert len(files) > 12
    assert [path for path in files if path.stat().st_mode & 0o027] == []


def test_the_manifest_lines_are_json(folder: Path) -> None:
    change_and_seal(folder)
    verify(folder, "--repair")
    lines = [json.loads(line) for line in (folder / MANIFEST_NAME).read_bytes().splitlines()]
    assert [line["event"] for line in lines[3:]] == ["sealed", "repaired", "noted"]
