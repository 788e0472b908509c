"""`logboom restore`."""

import errno
import os
import stat
from pathlib import Path

import pytest

from logboom.cli import backup_copy
from logboom.cli.restore import restore as command
from logboom.errors import StorageError
from logboom.testing.crash_kit import Driver

FIRST = "00000000000000000000.jsonl"
LONG_AGO_NS = 1_600_000_000_123_456_789


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A backup with two segments, tokens, a key and an output's position, which lost all permissions."""
    root = tmp_path / "backup"
    driver = Driver(root, segment_bytes_max=1)
    for number in range(2):
        driver.store(b'{"n":%d}' % number)
    driver.close()
    (root / "outputs").mkdir()
    for name in ("tokens.json", "server.key", "outputs/x.json", "lock", ".tokens.json.new"):
        (root / name).write_text("{}")
    for path in root.rglob("*"):
        path.chmod(0o777 if path.is_dir() else 0o666)
        os.utime(path, ns=(LONG_AGO_NS, LONG_AGO_NS))
    return root


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "data"


def restore(backup: Path, target: Path) -> None:
    command(backup, data_dir=str(target))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_files_get_private_permissions_and_keep_their_times(backup: Path, target: Path) -> None:
    target.mkdir()
    target.chmod(0o755)
    restore(backup, target)
    names = ("journal", "outputs", f"journal/{FIRST}", "outputs/x.json", "tokens.json", "server.key")
    assert [mode(target / name) for name in names] == [0o750, 0o750, 0o640, 0o640, 0o600, 0o600]
    assert mode(target) == 0o755
    assert (target / "journal" / FIRST).stat().st_mtime_ns == LONG_AGO_NS
    assert (target / "journal" / FIRST).read_bytes() == (backup / "journal" / FIRST).read_bytes()
    assert not (target / ".tokens.json.new").exists()


def test_a_file_that_only_its_owner_could_read_stays_so(backup: Path, target: Path) -> None:
    (backup / "outputs/x.json").chmod(0o400)
    restore(backup, target)
    assert mode(target / "outputs/x.json") == 0o600


def test_links_and_pipes_are_left_out_and_listed(
    backup: Path, target: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "secret").write_text("other")
    (backup / "outputs/link").symlink_to(tmp_path / "secret")
    (backup / "folder").symlink_to(tmp_path)
    os.mkfifo(backup / "journal/pipe")
    restore(backup, target)
    assert not [path for path in target.rglob("*") if path.name in {"link", "folder", "pipe"}]
    listed = [line.split(": ")[1] for line in capsys.readouterr().err.splitlines() if "left out" in line]
    assert listed == ["folder", "journal/pipe", "outputs/link"]


def test_the_list_of_what_is_left_out_is_bounded(
    backup: Path, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(12):
        (backup / f"link{number}").symlink_to("x")
    restore(backup, target)
    lines = [line for line in capsys.readouterr().err.splitlines() if "left out" in line]
    assert (len(lines), "12 of this kind" in lines[-1]) == (11, True)


def test_a_link_in_the_target_is_not_written_through(backup: Path, target: Path, tmp_path: Path) -> None:
    target.mkdir()
    other = tmp_path / "other"
    other.mkdir()
    (other / "file").write_text("kept")
    (target / "tokens.json").symlink_to(other / "file")
    (target / ".restore-new").symlink_to(other)
    restore(backup, target)
    assert (other / "file").read_text() == "kept"
    assert [path.name for path in other.iterdir()] == ["file"]
    assert not (target / "tokens.json").is_symlink()


@pytest.mark.parametrize("name", ["journal", "outputs"])
def test_a_link_in_the_place_of_a_folder_is_refused(
    backup: Path, target: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "other").mkdir()
    target.mkdir()
    (target / name).symlink_to(tmp_path / "other")
    with pytest.raises(StorageError, match=f"{name} is no folder"):
        restore(backup, target)
    assert not list((tmp_path / "other").iterdir())


def test_a_folder_in_the_place_of_a_file_is_refused(backup: Path, target: Path) -> None:
    (target / "tokens.json").mkdir(parents=True)
    with pytest.raises(StorageError, match=r"tokens\.json is a folder"):
        restore(backup, target)


@pytest.mark.parametrize("name", ["_copy_file", "sync_folder"])
def test_a_failed_restore_leaves_no_journal_and_can_be_repeated(
    backup: Path, target: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    whole, calls = getattr(backup_copy, name), []

    def full(*paths: Path) -> None:
        calls.append(paths)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        whole(*paths)

    with monkeypatch.context() as patch:
        patch.setattr(backup_copy, name, full)
        with pytest.raises(StorageError, match="No space left"):
            restore(backup, target)
    assert not (target / "journal").exists()
    assert not (target / ".restore-new").exists()
    restore(backup, target)
    assert (target / "journal" / FIRST).exists()


def test_what_a_crash_left_is_deleted_and_folders_are_completed(backup: Path, target: Path) -> None:
    (target / ".restore-new" / "journal").mkdir(parents=True)
    (target / ".restore-new" / "journal" / "half").touch()
    (target / "journal").mkdir()
    (target / "outputs").mkdir()
    (target / "outputs" / "x.json").write_text("old")
    restore(backup, target)
    assert (target / "outputs" / "x.json").read_text() == "{}"
    assert not [path for path in target.rglob("*") if path.name in {"half", ".restore-new"}]


@pytest.mark.parametrize("inside", [".", "journal", "new/data"])
def test_a_target_inside_the_backup_is_refused(backup: Path, inside: str) -> None:
    before = sorted(backup.rglob("*"))
    with pytest.raises(StorageError, match=r"the same folder, or one is inside the other"):
        restore(backup, backup / inside)
    assert sorted(backup.rglob("*")) == before


def test_a_backup_inside_the_target_is_refused_also_through_a_link(backup: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(backup.parent)
    with pytest.raises(StorageError, match="inside the other"):
        restore(backup, tmp_path / "link")


def test_a_journal_that_is_a_link_is_no_backup(backup: Path, target: Path) -> None:
    (backup / "journal").rename(backup / "elsewhere")
    (backup / "journal").symlink_to("elsewhere")
    with pytest.raises(StorageError, match="there is no journal"):
        restore(backup, target)
    assert not target.exists()


def test_a_damaged_backup_is_repaired(backup: Path, target: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (backup / "journal" / "00000000000000000001.jsonl").open("ab") as file:
        file.write(b'{"torn')
    restore(backup, target)
    assert "torn end" in capsys.readouterr().out
    assert list((target / "set-aside").iterdir())
