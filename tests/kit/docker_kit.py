"""A Docker daemon of one's own, without a network: for what its logging drivers send."""

import os
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pytest

from tests.kit.services import find_program

START_S_MAX: Final = 30.0
STOP_S_MAX: Final = 30.0
IMAGE: Final = "logboom-test"


class Docker:
    """dockerd in a mount namespace of its own, with one image, which holds BusyBox.

    Args:
        folder: for its files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        daemon = find_program("dockerd", "docker.io", "/usr/sbin")
        self._busybox = find_program("busybox", "busybox-static")
        self._client = [find_program("docker", "docker.io"), f"--host=unix://{folder}/socket"]
        unshare = find_program("unshare", "util-linux")
        if os.geteuid() != 0:
            pytest.skip("only root can start dockerd")
        self._command = [
            *(unshare, "--mount", "--propagation=private", daemon, f"--host=unix://{folder}/socket"),
            *("--bridge=none", "--iptables=false", "--ip6tables=false", "--storage-driver=vfs"),
            *(f"--data-root={folder}/data", f"--exec-root={folder}/exec", f"--pidfile={folder}/pid"),
        ]

    def run(self, driver: str, options: dict[str, str], script: str) -> None:
        """Run a shell script in a container that logs with a driver; returns at its end."""
        logging = [f"--log-opt={key}={value}" for key, value in options.items()]
        container = ["--rm", "--network=host", "--name=pumps", f"--log-driver={driver}", *logging, IMAGE]
        self._docker("run", *container, "/bin/busybox", "sh", "-c", script)

    def _docker(self, *arguments: str, data: bytes | None = None) -> None:
        done = subprocess.run([*self._client, *arguments], input=data, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()

    def __enter__(self) -> Self:
        log = (self._folder / "dockerd.log").open("wb")
        self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        log.close()
        ends_at = time.monotonic() + START_S_MAX
        while subprocess.run([*self._client, "version"], capture_output=True, check=False).returncode:
            if self._process.poll() is not None or time.monotonic() > ends_at:
                self.__exit__(None, None, None)
                pytest.skip(f"dockerd does not run here: {(self._folder / 'dockerd.log').read_text()[-300:]}")
        place = self._folder / "image" / "bin"
        place.mkdir(parents=True)
        shutil.copy(self._busybox, place / "busybox")
        packed = subprocess.run(["tar", "-C", place.parent, "-c", "."], capture_output=True, check=True)
        self._docker("import", "-", IMAGE, data=packed.stdout)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(STOP_S_MAX)
