"""The packages of `make run` can be installed for every interpreter of this machine, each by its hash."""

import platform
import shutil
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
    "dns error",
)


def installer(python: str, target: Path) -> tuple[str, ...]:
    """The command that resolves a lock for an interpreter: uv where it is, which takes a tenth of pip's time."""
    common = ("install", "--dry-run", "--quiet", "--only-binary", ":all:", "--target", str(target))
    if uv := shutil.which("uv"):
        return (uv, "pip", *common, "--python", python)
    return (
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        *common,
        "--ignore-installed",
        "--disable-pip-version-check",
    )


@pytest.mark.service
@pytest.mark.timeout(600)  # pip asks the index for sixty packages
@pytest.mark.parametrize(
    "version", OTHERS or [pytest.param("", marks=pytest.mark.skip("there is no other one"))]
)
def test_the_lock_installs_on(version: str, tmp_path: Path) -> None:
    # All but the unpacking: versions, hashes, and a wheel for this interpreter.
    lock = ("--require-hashes", "--requirement", str(ROOT / "requirements" / "run.txt"))
    command = (*installer(interpreters()[version], tmp_path), *lock)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if any(word in done.stderr for word in OFFLINE):
        give_up("the package index can't be reached")
    assert done.returncode == 0, done.stderr[-2000:]
