"""Network of the calling thread, apart from that of the system: machines on a switch, which can be cut off.

It needs root, and the programs `ip`, `unshare`, `nsenter` and `setpriv`.
"""

import ctypes
import os
import shutil
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple, Self

_NETWORK: Final = 0x40000000
"""CLONE_NEWNET of `unshare` and `setns`."""

_START_S_MAX: Final = 10.0


class Machine(NamedTuple):
    """Machine of a private network."""

    address: str
    prefix: tuple[str, ...]
    """Command that starts a program there."""


class PrivateNetwork:
    """Private network; a context manager, for the thread and for the threads and processes that it starts meanwhile."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._machines = 0

    def __enter__(self) -> Self:
        own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._stack.callback(os.close, own)
        _call("unshare", _NETWORK)
        self._stack.callback(_call, "setns", own, _NETWORK)
        _ip("link set lo up")
        _ip("link add switch type bridge")
        _ip("link set switch up")
        _ip("addr add 10.77.0.254/24 dev switch")
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    def machine(self) -> Machine:
        """Add a machine, which lives until the end of the network; they are numbered from 1 on."""
        self._machines += 1
        number, address = self._machines, f"10.77.0.{self._machines}"
        own = Path("/proc/thread-self/ns/net").readlink()
        command = ("setpriv", "--pdeathsig", "KILL", "unshare", "--net", "sleep", "infinity")
        holder = subprocess.Popen(command)  # noqa: S603 - fixed words
        self._stack.callback(holder.wait)
        self._stack.callback(holder.kill)
        until = time.monotonic() + _START_S_MAX
        while Path(f"/proc/{holder.pid}/ns/net").readlink() == own:
            if time.monotonic() > until:
                raise OSError("unshare does not make a network")
            time.sleep(0.01)
        _ip(f"link add port{number} type veth peer name eth0 netns {holder.pid}")
        _ip(f"link set port{number} master switch")
        self.heal(number)
        prefix = ("nsenter", f"--net=/proc/{holder.pid}/ns/net")
        for words in (f"addr add {address}/24 dev eth0", "link set eth0 up", "link set lo up"):
            _ip(words, prefix)
        return Machine(address, prefix)

    def cut(self, number: int) -> None:
        """Cut a machine off."""
        _ip(f"link set port{number} down")

    def heal(self, number: int) -> None:
        """Connect a machine again. Idempotent."""
        _ip(f"link set port{number} up")


def missing_for_network() -> str | None:
    """Reason why this process can't make private networks; None: it can."""
    if os.geteuid():
        return "needs root"
    wanted = [name for name in ("ip", "unshare", "nsenter", "setpriv") if shutil.which(name) is None]
    if wanted:
        return f"needs the program {wanted[0]}"
    try:
        with PrivateNetwork():
            return None
    except (OSError, subprocess.CalledProcessError) as error:
        return f"is refused by the system: {error}"


def _ip(words: str, prefix: tuple[str, ...] = ()) -> None:
    subprocess.run([*prefix, "ip", *words.split()], check=True, capture_output=True)  # noqa: S603 - fixed words


def _call(name: str, *arguments: int) -> None:
    """Call a function of the C library; Python has them from 3.12 on. Raises `OSError`."""
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
