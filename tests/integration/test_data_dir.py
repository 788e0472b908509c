"""Commands that read the data directory find the one that the server uses, as `docker exec … logboom logs` must."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.app_thread import AppThread

ENTRY = b'{"boot_seq":1,"uptime_ms":2,"level":"error","msg":"pump 7 is dry"}\n'


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with one entry; its server has stopped."""
    folder = tmp_path_factory.mktemp("data")
    with (
        AppThread(folder) as app,
        socket.create_connection(("127.0.0.1", app.port("device")), timeout=30) as device,
    ):
        device.sendall(ENTRY)
        assert device.recv(100) == b'{"ack":1}\n'
    return folder


def ran(words: str, folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LOGBOOM_")}
    return subprocess.run(
        (sys.executable, "-m", "logboom", *words.split()),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=folder,
        env={**inherited, **environment},
    )


COMMANDS = {
    "logs": "pump 7 is dry",
    "stats": "127.0.0.1",
    "verify": "1 entries",
    "export": "pump 7 is dry",
}


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_reads_the_directory_of_the_environment(words: str, data_dir: Path, tmp_path: Path) -> None:
    found = ran(words, tmp_path, LOGBOOM_DATA_DIR=str(data_dir))
    assert found.returncode == 0, found.stderr
    assert COMMANDS[words] in found.stdout


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_reads_the_directory_of_the_configuration(
    words: str, data_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "server.toml").write_text(f"data_dir = '{data_dir}'\n")
    found = ran(f"{words} --config server.toml", tmp_path)
    assert found.returncode == 0, found.stderr
    assert COMMANDS[words] in found.stdout


@pytest.mark.parametrize("words", COMMANDS)
def test_the_option_wins_over_both(words: str, data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "server.toml").write_text("data_dir = 'elsewhere'\n")
    options = f"{words} --config server.toml --data-dir {data_dir}"
    found = ran(options, tmp_path, LOGBOOM_DATA_DIR="nowhere")
    assert found.returncode == 0, found.stderr
    assert COMMANDS[words] in found.stdout


@pytest.mark.parametrize("words", COMMANDS)
def test_a_directory_that_is_not_there_is_named(words: str, tmp_path: Path) -> None:
    found = ran(words, tmp_path, LOGBOOM_DATA_DIR="elsewhere")
    assert found.returncode == 1
    assert found.stderr == "❌ there is no journal in elsewhere: name the data directory with --data-dir\n"


@pytest.mark.parametrize("words", COMMANDS)
def test_without_a_name_it_is_the_one_of_the_working_directory(
    words: str, data_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "logboom-data").symlink_to(data_dir)
    found = ran(words, tmp_path)
    assert found.returncode == 0, found.stderr
    assert COMMANDS[words] in found.stdout


@pytest.mark.parametrize("words", ["serve --only http --listen http=127.0.0.1:0", "pack"])
def test_a_lock_that_is_a_link_is_not_followed(words: str, tmp_path: Path) -> None:
    other, folder = tmp_path / "other", tmp_path / "data"
    other.write_text("precious")
    (folder / "journal").mkdir(parents=True)
    (folder / "lock").symlink_to(other)
    found = ran(f"{words} --data-dir {folder}", tmp_path)
    assert found.returncode != 0
    assert "lock is a link, expected a file: delete the link" in found.stderr
    assert "Traceback" not in found.stderr
    assert other.read_text() == "precious"


def test_verify_reads_beside_a_lock_that_is_a_link(tmp_path: Path) -> None:
    other, folder = tmp_path / "other", tmp_path / "data"
    other.write_text("precious")
    (folder / "journal").mkdir(parents=True)
    (folder / "lock").symlink_to(other)
    assert ran(f"verify --data-dir {folder}", tmp_path).returncode == 0
    assert other.read_text() == "precious"
