"""Debian packages, unpacked in separate folders: rsyslog and syslog-ng can't both be installed.

Neither `apt-get download` nor `dpkg -x` needs root. What a package needs and the system lacks comes along.
"""

import platform
import shutil
import subprocess
from pathlib import Path
from typing import Final

from bench.subjects.base import UnavailableError

CACHE: Final = Path(__file__).resolve().parent.parent / ".cache"
_COMMAND_S_MAX: Final = 300
# The C library must be the running system's; the others are alternatives to what every Debian has.
_NEVER: Final = frozenset({"libc6", "libgcc-s1", "libelogind0"})


class DebianPackage:
    """One unpacked package with its libraries."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.root = CACHE / f"{name}-{platform.machine()}"

    def prepare(self) -> None:
        """Download and unpack, unless that was done before; raises UnavailableError."""
        if (self.root / "complete").exists():
            return
        for tool in ("apt-get", "apt-cache", "dpkg", "dpkg-query"):
            if shutil.which(tool) is None:
                raise UnavailableError(f"{tool} is missing: {self.name} is measured from its Debian package")
        shutil.rmtree(self.root, ignore_errors=True)
        packages = self.root / "packages"
        packages.mkdir(parents=True)
        _run(["apt-get", "download", *self._wanted()], packages)
        for package in sorted(packages.glob("*.deb")):
            _run(["dpkg", "-x", str(package), str(self.root)], packages)
        (self.root / "complete").touch()

    def version(self) -> str:
        """The Debian version, from the name of the downloaded file."""
        found = next((self.root / "packages").glob(f"{self.name}_*.deb"))
        return found.name.split("_")[1].replace("%3a", ":")

    def find(self, name: str) -> Path:
        """The one file or directory of that name; raises UnavailableError."""
        found = sorted(self.root.rglob(name))
        if not found:
            raise UnavailableError(f"{name} is not in the Debian package {self.name} {self.version()}")
        return found[0]

    def library_path(self) -> str:
        """For LD_LIBRARY_PATH: every directory that holds an unpacked library."""
        return ":".join(sorted({str(path.parent) for path in self.root.rglob("lib*.so.*")}))

    def _wanted(self) -> list[str]:
        """The package, and the libraries it needs that are not installed."""
        options = [
            f"--no-{kind}"
            for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
        ]
        listed = _run(["apt-cache", "depends", "--recurse", *options, self.name], CACHE).splitlines()
        libraries = {line for line in listed if line.startswith("lib")} - _NEVER
        return [self.name, *sorted(name for name in libraries if not _installed(name))]


def _installed(name: str) -> bool:
    found = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${db:Status-Status}", name],
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout == "installed"


def _run(command: list[str], directory: Path) -> str:
    try:
        done = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, check=True, timeout=_COMMAND_S_MAX
        )
    except subprocess.CalledProcessError as error:
        complaint = (error.stderr.strip().splitlines() or ["no output"])[-1]
        raise UnavailableError(f"{' '.join(command[:3])} … failed: {complaint}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"{' '.join(command[:2])} … failed: {type(error).__name__}") from error
    return done.stdout
