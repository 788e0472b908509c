"""The Python interpreters of this machine that Logboom supports."""

import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

MINORS: Final = (11, 12, 13, 14)
"""Of Python 3: those that are looked for."""

_ASK: Final = "import sys; print('%d.%d.%d' % sys.version_info[:3])"


@cache
def interpreters() -> dict[str, str]:
    """The path of one interpreter per version that is installed, such as `3.12.1`; those of pyenv, too."""
    found: dict[str, str] = {}
    for path in [*_on_the_path(), *_of_pyenv()]:
        done = subprocess.run((path, "-c", _ASK), capture_output=True, text=True, check=False)
        if done.returncode == 0:  # a shim of pyenv fails when its version is not the chosen one
            found.setdefault(done.stdout.strip(), path)
    return found


def _on_the_path() -> list[str]:
    named = [shutil.which(f"python3.{minor}") for minor in MINORS]
    system = [f"/usr/bin/python3.{minor}" for minor in MINORS if Path(f"/usr/bin/python3.{minor}").exists()]
    return [*filter(None, named), *system]


def _of_pyenv() -> list[str]:
    if not shutil.which("pyenv"):
        return []
    root = subprocess.run(("pyenv", "root"), capture_output=True, text=True, check=True).stdout.strip()
    return [str(path) for minor in MINORS for path in Path(root, "versions").glob(f"3.{minor}.*/bin/python3")]
