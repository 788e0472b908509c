"""`.ci/run` on a bare machine: it installs what is missing, then runs what it promises."""

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
ESSENTIAL = ("bash", "cat", "chmod", "dirname", "env", "printf", "rm", "sh")
WANTED = {
    "make", "python3", "python3-venv", "redis-server", "chromium", "fonts-dejavu-core", "prometheus", "nodejs", "npm",
    "curl", "jq", "netcat-openbsd", "openssl", "binutils", "systemd",
}  # fmt: skip

APT = """#!/bin/sh
echo "apt-get $*" >>"$TRACE"
[ "$1" = update ] && exit
test -x "$POLICY_RC_D" || exit 9
printf '#!/bin/sh\\necho "make $* CI=$CI" >>"$TRACE"\\n' >"$BARE/make"
chmod +x "$BARE/make"
"""


def bare_machine(folder: Path, *, user: str = "0") -> dict[str, str]:
    """An environment whose commands are those of a system's first minute, and a package manager that takes notes."""
    folder.mkdir()
    for name in ESSENTIAL:
        (folder / name).symlink_to(shutil.which(name) or name)
    for name, text in (("apt-get", APT), ("id", f"#!/bin/sh\necho {user}\n")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    inherited = {name: value for name, value in os.environ.items() if name not in ("CI", "MAKEFLAGS")}
    places = {"BARE": str(folder), "TRACE": str(folder / "trace"), "POLICY_RC_D": str(folder / "policy-rc.d")}
    return {**inherited, "PATH": str(folder), **places}


def test_a_bare_machine_gets_what_the_tests_need(tmp_path: Path) -> None:
    environment = bare_machine(tmp_path / "bin")
    done = subprocess.run(
        (ROOT / ".ci" / "run",), capture_output=True, text=True, check=False, env=environment
    )
    assert (done.returncode, done.stderr) == (0, "")
    update, install, *made = (tmp_path / "bin" / "trace").read_text().splitlines()
    assert update.split()[:2] == ["apt-get", "update"]
    assert set(install.split()) >= WANTED
    assert made == ["make check CI=true", "make test CI=true", "make clients CI=true"]
    assert not (tmp_path / "bin" / "policy-rc.d").exists()  # later installations start their services again


def test_who_may_install_nothing_is_told_what_is_missing(tmp_path: Path) -> None:
    environment = bare_machine(tmp_path / "bin", user="1000")
    done = subprocess.run(
        (ROOT / ".ci" / "run",), capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 127  # there is no make
    assert set(done.stderr.replace(":", " ").split()) >= WANTED
    assert not (tmp_path / "bin" / "trace").exists()
