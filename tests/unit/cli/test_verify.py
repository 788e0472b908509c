"""`logboom verify`."""

import os
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from logboom.cli import app, main
from logboom.journal.retention import Retention
from logboom.testing.crash_kit import Driver


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Two segments with ten entries each."""
    driver = Driver(tmp_path / "data", segment_bytes_max=1)
    for start in (0, 10):
        driver.store(*[b'{"n":%d}' % number for number in range(start, start + 10)])
    driver.close()
    return tmp_path / "data"


def verify(data_dir: Path, *options: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["verify", "--data-dir", str(data_dir), *options])
    return result.exit_code, result.stdout


def damage(data_dir: Path) -> Path:
    path = data_dir / "journal" / "00000000000000000000.jsonl"
    path.write_bytes(path.read_bytes().replace(b'{"n":4}', b'{"n"\x004}'))
    return path


def test_a_good_journal(data_dir: Path) -> None:
    code, text = verify(data_dir)
    first, second, sums, manifest, head, total = text.splitlines()
    assert code == 0
    assert first.startswith("✅ 00000000000000000000.jsonl  10 entries  ")
    assert second.startswith("✅ 00000000000000000010.jsonl  10 entries  ")
    size = sum(path.stat().st_size for path in (data_dir / "journal").glob("*.jsonl"))
    assert sums == f"checksums fit {size:,} of {size:,} bytes"
    assert (
        manifest
        == "manifest: 1 segments as they were sealed, 0 sealed and not hashed yet, 0 deleted by retention"
    )
    assert head.startswith("manifest head: ")
    assert total.startswith("2 segments, 20 entries, ")
    assert total.endswith("all good")


def test_damage_is_described_and_the_exit_code_is_1(data_dir: Path) -> None:
    path = damage(data_dir)
    before = path.read_bytes()
    code, text = verify(data_dir)
    assert code == 1
    assert "❌ 00000000000000000000.jsonl  9 entries" in text
    assert "1 damaged lines at byte" in text
    assert "sequence 4" in text
    assert text.splitlines()[-1].endswith("1 of them damaged")
    assert path.read_bytes() == before


def test_a_repair_sets_aside_and_the_next_look_is_good(data_dir: Path) -> None:
    damage(data_dir)
    code, text = verify(data_dir, "--repair")
    assert code == 0
    assert "set aside in" in text
    assert text.splitlines()[-1].endswith("1 of them damaged, repaired")
    (aside,) = (data_dir / "set-aside").iterdir()
    assert b'{"n"\x004}' in aside.read_bytes()
    code, text = verify(data_dir)
    assert code == 0
    assert "3 segments, 19 entries" in text


def test_a_torn_end_is_called_so(data_dir: Path) -> None:
    path = data_dir / "journal" / "00000000000000000010.jsonl"
    path.write_bytes(path.read_bytes()[:-3])
    code, text = verify(data_dir)
    assert code == 1
    assert "torn end at byte" in text


def test_a_fresh_journal_is_good(tmp_path: Path) -> None:
    Driver(tmp_path).close()
    assert verify(tmp_path) == (
        0,
        "checksums fit 0 of 0 bytes\n0 segments, 0 entries, 0 bytes: all good\n",
    )


def run_main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    monkeypatch.setattr(sys, "argv", ["logboom", "verify", *arguments])
    with pytest.raises(SystemExit, match=r"^\d*$") as caught:
        main()
    return caught.value.code


def test_no_journal_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(monkeypatch, "--data-dir", str(tmp_path)) == 1
    text = capsys.readouterr().err
    assert text.startswith(f"❌ there is no journal in {tmp_path}")
    assert "--data-dir" in text


def test_a_repair_beside_a_running_server_is_refused(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    driver = Driver(data_dir)
    assert run_main(monkeypatch, "--data-dir", str(data_dir), "--repair") == 1
    assert str(os.getpid()) in capsys.readouterr().err
    assert verify(data_dir)[0] == 0  # looking is allowed
    driver.close()


# --- what no line tells ---


def rewrite(data_dir: Path) -> Path:
    """An entry says something else now; every line is good."""
    path = data_dir / "journal" / "00000000000000000000.jsonl"
    path.write_bytes(path.read_bytes().replace(b'{"n":4}', b'{"n":5}'))
    return path


def head_of(text: str) -> str:
    (line,) = [line for line in text.splitlines() if line.startswith("manifest head: ")]
    return line.removeprefix("manifest head: ")


def test_a_changed_entry_is_found_by_checksum_and_by_hash(data_dir: Path) -> None:
    rewrite(data_dir)
    code, text = verify(data_dir)
    assert code == 1
    assert "sequences 0 to 9, have changed since they were written: their checksum differs" in text
    assert "does not match the hash in line 1 of the manifest" in text
    assert "first segment that does not match: 00000000000000000000.jsonl" in text


def test_a_changed_entry_whose_checksum_was_made_anew_is_found_by_hash(data_dir: Path) -> None:
    rewrite(data_dir).with_suffix(".sums").unlink()
    code, text = verify(data_dir)
    assert code == 1
    assert "checksum differs" not in text
    assert "does not match the hash in line 1 of the manifest" in text


def test_a_repair_adds_to_the_manifest_and_changes_nothing_in_it(data_dir: Path) -> None:
    manifest = data_dir / "journal" / "segments.manifest"
    before, noted = manifest.read_bytes(), head_of(verify(data_dir)[1])
    rewrite(data_dir)
    assert verify(data_dir, "--repair")[0] == 0
    assert manifest.read_bytes().startswith(before)
    code, text = verify(data_dir)
    assert code == 0
    assert "repaired at 20" in text
    assert "for " in text
    assert "taken afterwards from the file" in text
    assert head_of(text) != noted
    code, text = verify(data_dir, "--head", noted)
    assert code == 1  # a repair is a change, too
    assert f"❌ the head {noted} is line 1 of 2 of the manifest: 1 segments, sequences before 10" in text
    assert "since that head: 00000000000000000000.jsonl: repaired at 20" in text
    assert "their checksum differs" in text
    assert verify(data_dir, "--head", head_of(text))[0] == 0
    again = manifest.read_bytes()
    assert verify(data_dir, "--repair")[0] == 0
    assert manifest.read_bytes() == again


def test_a_missing_segment_is_named_and_known_after_a_repair(data_dir: Path) -> None:
    (data_dir / "journal" / "00000000000000000000.jsonl").unlink()
    code, text = verify(data_dir)
    assert code == 1
    assert "❌ 00000000000000000000.jsonl is missing: 10 entries" in text
    assert "first segment that does not match: 00000000000000000000.jsonl" in text
    code, text = verify(data_dir, "--repair")
    assert code == 0
    assert "manifest: missing 00000000000000000000.jsonl" in text
    assert verify(data_dir)[0] == 0


def test_what_retention_deleted_is_not_missing(data_dir: Path) -> None:
    Retention(age_max_s=None, bytes_max=1).apply(data_dir / "journal", 20)
    code, text = verify(data_dir)
    assert code == 0
    assert "1 deleted by retention" in text


def test_a_changed_manifest_is_found_and_known_after_a_repair(data_dir: Path) -> None:
    manifest = data_dir / "journal" / "segments.manifest"
    manifest.write_bytes(manifest.read_bytes().replace(b'"entries":10', b'"entries":11'))
    code, text = verify(data_dir)
    assert code == 1
    assert "❌ manifest line 1: its chain does not fit" in text
    assert verify(data_dir, "--repair")[0] == 0
    code, text = verify(data_dir)
    assert code == 0
    assert "its line in the manifest was damaged" in text


def test_a_manifest_made_anew_is_found_by_a_head_noted_before(data_dir: Path) -> None:
    noted = head_of(verify(data_dir)[1])
    rewrite(data_dir).with_suffix(".sums").unlink()
    (data_dir / "journal" / "segments.manifest").unlink()
    Driver(data_dir).close()
    assert verify(data_dir)[0] == 0
    code, text = verify(data_dir, "--head", noted)
    assert code == 1
    assert f"no whole chain leads to the head {noted}" in text


def test_a_torn_manifest_is_told(data_dir: Path) -> None:
    with (data_dir / "journal" / "segments.manifest").open("ab") as file:
        file.write(b'{"event":"sea')
    code, text = verify(data_dir)
    assert code == 1
    assert "the last line is torn" in text
    driver = Driver(data_dir)
    assert "segments.manifest: cut 13 torn bytes" in driver.journal.recovered.notes[0]
    driver.close()
    assert verify(data_dir)[0] == 0
