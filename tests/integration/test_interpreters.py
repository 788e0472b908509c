"""What `make run` installs can be had on every interpreter of this machine, each package by its hash."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.interpreters import interpreters
from tests.kit.services import give_up

ROOT = Path(__file__).parents[2]
OTHERS = [version for version in sorted(interpreters()) if version != platform.python_version()]
OFFLINE = (
    "Failed to establish a new connection",
    "Temporary failure in name resolution",
    "Name or service not known",
)


@pytest.mark.service
@pytest.mark.parametrize(
    "version", OTHERS or [pytest.param("", marks=pytest.mark.skip("there is no other one"))]
)
def test_the_lock_installs_on(version: str, tmp_path: Path) -> None:
    # All but the unpacking: versions, hashes, and a wheel for this interpreter.
    command = (
        sys.executable, "-m", "pip", "--python", interpreters()[version], "install", "--dry-run", "--quiet",
        "--disable-pip-version-check", "--only-binary", ":all:", "--ignore-installed", "--target", str(tmp_path),
        "--require-hashes", "--requirement", str(ROOT / "requirements" / "run.txt"),
    )  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110)
    if any(word in done.stderr for word in OFFLINE):
        give_up("the package index can't be reached")
    assert done.returncode == 0, done.stderr[-2000:]
