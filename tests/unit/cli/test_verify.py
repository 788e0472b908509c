"""`logboom verify`."""

import os
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from logboom.cli import app, main
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
    first, second, total = text.splitlines()
    assert code == 0
    assert first.startswith("✅ 00000000000000000000.jsonl  10 entries  ")
    assert second.startswith("✅ 00000000000000000010.jsonl  10 entries  ")
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
    assert verify(tmp_path) == (0, "0 segments, 0 entries, 0 bytes: all good\n")


def run_main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    monkeypatch.setattr(sys, "argv", ["logboom", "verify", *arguments])
    with pytest.raises(SystemExit) as caught:
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
