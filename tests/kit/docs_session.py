"""A reader who types the commands of a page, one after the other, in a folder of their own.

Ports and host names of the page become free ports and this machine. What runs until it is stopped goes on beside the
next commands; starting a server ends the one that ran before, as a reader with one terminal would.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
import tomllib
from pathlib import Path
from typing import Final, NamedTuple, Self

from logboom.testing.ports import free_port
from tests.kit.docs_kit import Block, Command, is_shown
from tests.kit.processes import end_processes_with

COMMAND_S_MAX: Final = 60.0
"""A command that takes longer waits for something that will not come."""

VIEW_S_MAX: Final = 10.0
"""Files and databases follow the journal; what is shown of them is there by then."""

PORTS: Final = {
    "device": 5000,
    "gateway": 6000,
    "http": 8080,
    "collector": 9000,
    "capnp": 9020,
    "grpc": 9021,
}
"""Ports of the default listeners."""

OTHER_PORTS: Final = (
    1883,
    2514,
    3100,
    4317,
    4318,
    5001,
    5044,
    5140,
    5432,
    5514,
    6001,
    6379,
    8000,
    8081,
    8088,
    8443,
    9001,
    9100,
    9120,
    9121,
    9200,
    12201,
    24224,
)
"""What pages use besides."""

HOSTS: Final = {
    "logs.example.org": "localhost",
    "logboom.local": "localhost",
    "192.168.1.10": "127.0.0.1",
    "10.0.0.2": "127.0.0.1",
}

_LOOKS: Final = re.compile(
    r"(?:cat|cut|grep|head|jq|ls|psql|redis-cli|sqlite3|tail|wc|curl -s|logboom alerts list)\b(?!.* -d )"
)
"""Commands that change nothing: they are tried again until they show what the page shows."""

_SERVES: Final = re.compile(r"(?:\w+=\S+ )*(?:make run|logboom serve)\b")
_TAILS: Final = re.compile(r"(?:\w+=\S+ )*logboom tail\b(?!.*--no-follow)", re.DOTALL)
_FOLLOWS: Final = re.compile(r"(?:\w+=\S+ )*logboom send\b.*(?:--follow|--last)\b", re.DOTALL)
_DEFAULTS: Final = (
    (re.compile(r"(logboom tail\b)(?![^|;]*\b(?:http|ws)s?://)"), r"\1 http://127.0.0.1:8080"),
    (re.compile(r"(logboom simulate device\b)(?![^|;]*--to)"), r"\1 --to tcp://127.0.0.1:5000"),
    (re.compile(r"(logboom simulate sensor\b)(?![^|;]*--to)"), r"\1 --to tcp://127.0.0.1:6000"),
    (re.compile(r"(logboom alerts list\b)(?![^|;]*--url)"), r"\1 --url http://127.0.0.1:8080"),
    (
        re.compile(r"(logboom simulate app\b)(?=[^|;]*--as capnp)(?![^|;]*--to)"),
        r"\1 --to capnp://127.0.0.1:9020",
    ),
    (
        re.compile(r"(logboom simulate app\b)(?=[^|;]*--as grpc)(?![^|;]*--to)"),
        r"\1 --to grpc://127.0.0.1:9021",
    ),
    (re.compile(r"(logboom simulate app\b)(?![^|;]*--to)"), r"\1 --to tcp://127.0.0.1:9000"),
)
"""Where commands go that are not told: spelled out, since the ports are others here."""

_PORT: Final = re.compile(r"(?<=[:=\s])(\d{4})\b(?![-.])")


_ANY_PORT: Final = re.compile(r"(?:://[^/\s:]+:|127\.0\.0\.1:|localhost[: ]|port[ =]+|\s-p )(\d{4})\b")


_BY_CTRL_C: Final = (-signal.SIGINT, 130)
"""How most programs end; ours end well."""


class Outcome(NamedTuple):
    """Result of a command."""

    code: int
    printed: str


class _Staying:
    """A command that runs until it is stopped."""

    def __init__(self, process: "subprocess.Popen[str]", command: Command, *, serves: bool) -> None:
        self.command = command
        self.serves = serves
        self._process = process
        self._printed = ""
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self._printed += line
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def wait_for_text(self, text: str) -> None:
        """Until it has printed this. Raises `AssertionError`."""
        with self._changed:
            self._changed.wait_for(
                lambda: text in self._printed or not self._reader.is_alive(), COMMAND_S_MAX
            )
            assert text in self._printed, f"{self.command.text}: no {text!r} in\n{self._printed}"

    def end(self) -> None:
        """Wait for what the page shows, then stop it as Ctrl-C does. Raises `AssertionError`."""
        shown = self.command.shown

        def seen() -> bool:
            return is_shown(shown, self._printed, among_others=True)

        with self._changed:
            self._changed.wait_for(lambda: seen() or not self._reader.is_alive(), VIEW_S_MAX)
        printed_it = seen()
        self.kill(signal.SIGINT)
        assert printed_it, _difference(self.command, self._printed)
        code = self._process.returncode
        good = {self.command.code} if "logboom" in self.command.text else {self.command.code, *_BY_CTRL_C}
        assert code in good, f"{self.command.text}: exit code {code}\n{self._printed}"

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End it and all that it has started. Idempotent."""
        if self._process.returncode is None:
            os.killpg(self._process.pid, number)
            self._process.wait(COMMAND_S_MAX)
        self._reader.join(COMMAND_S_MAX)
        assert self._process.stdout is not None
        self._process.stdout.close()


class ReaderSession:
    """One reader with one page.

    Args:
        folder: an empty one.
        repository: where the project's own files are.
        ports: which port of this machine stands for one of the page's; the others are free ones.
        words: what else is replaced in commands and files.
        environment: further variables.
    """

    def __init__(
        self,
        folder: Path,
        repository: Path,
        *,
        ports: dict[int, int] | None = None,
        words: dict[str, str] | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self._repository = repository
        self._ports = {port: free_port() for port in (*PORTS.values(), *OTHER_PORTS)} | (ports or {})
        self._words = HOSTS | (words or {})
        self._own_ports: set[str] = set()
        self._staying: list[_Staying] = []
        (folder / ".venv").symlink_to(sys.prefix)
        (folder / "deploy").symlink_to(repository / "deploy")
        self._state = folder.parent / f"{folder.name}.state"
        home = folder.parent / f"{folder.name}.home"
        home.mkdir()
        self._environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "COLUMNS": "110",
            "NO_COLOR": "1",
            "PYTHONPATH": ".",
            "TERM": "dumb",
            **(environment or {}),
        }

    def here(self, text: str) -> str:
        """A text of the page as it has to be on this machine."""
        for word, ours in self._words.items():
            text = text.replace(word, ours)
        unknown = {int(found[1]) for found in _ANY_PORT.finditer(text)} - self._ports.keys()
        assert not unknown, f"{unknown} would be used as they are: add them to OTHER_PORTS"
        return _PORT.sub(lambda found: str(self._ports.get(int(found[1]), found[1])), text)

    def save(self, block: Block) -> Path:
        """Save a block as the page asks to."""
        path = self.folder / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.here(block.text), encoding="utf-8")
        if path.suffix == ".toml":
            listeners = tomllib.loads(path.read_text(encoding="utf-8")).get("listeners", {})
            self._own_ports |= {name for name, table in listeners.items() if "port" in table}
        return path

    def run(self, command: Command, ready_text: str = "") -> None:
        """Type a command. Raises `AssertionError` when it does not do what the page says."""
        here = command._replace(
            text=self.here(_spelled_out(command.text)), shown=tuple(self.here(line) for line in command.shown)
        )
        serves = _SERVES.match(here.text) is not None
        if serves and here.code == 0:
            self._end_server()
            self._stay(here, "ready in", serves=True)
        elif ready_text or _TAILS.match(here.text):
            self._stay(here, ready_text or "\n")
        elif _FOLLOWS.match(here.text):
            self._stay(here)
            self._wait_for_state_file(here)
        else:
            self._expect(here)

    def _expect(self, command: Command) -> None:
        """Run a command to its end. Raises `AssertionError` when it does not do what is shown."""
        deadline = time.monotonic() + (VIEW_S_MAX if _LOOKS.match(command.text) else 0)
        while True:
            code, printed = self._type(command.text)
            as_shown = not command.shown or is_shown(command.shown, printed)
            if (code == command.code and as_shown) or time.monotonic() >= deadline:
                break
            time.sleep(0.02)
        text = f"$ {command.text}\nexit code {code}, expected {command.code}\n{printed}"
        assert code == command.code, text
        assert as_shown, _difference(command, printed)

    def run_python(self, block: Block) -> None:
        """Run a Python block. Raises `AssertionError`."""
        path = self.folder.parent / f"{self.folder.name}.block.py"
        path.write_text(self.here(block.text), encoding="utf-8")
        code, printed = self._type(f"python {path}")
        assert code == 0, f"line {block.line}: exit code {code}\n{printed}"

    def run_sql(self, block: Block) -> None:
        """Run an SQL block on the page's SQLite file, else on its PostgreSQL database. Raises `AssertionError`."""
        path = self.folder.parent / f"{self.folder.name}.block.sql"
        path.write_text(self.here(block.text), encoding="utf-8")
        database = next(self.folder.glob("*.db"), None)
        if database is None:
            text = f'psql "$DATABASE_URL" --set ON_ERROR_STOP=1 --file {path}'
        else:
            text = (
                "python -c 'import sqlite3, sys, pathlib; "
                f"sqlite3.connect(sys.argv[1]).executescript(pathlib.Path(sys.argv[2]).read_text())' {database} {path}"
            )
        code, printed = self._type(text)
        assert code == 0, f"line {block.line}: exit code {code}\n{printed}"

    def _type(self, text: str) -> Outcome:
        """Run a command in a new shell, which goes on where the last one was: folder and variables."""
        state = self._state
        keep = f"code=$?; {{ export -p; printf 'cd %q\\n' \"$PWD\"; }} >{state}; exit $code"
        lines = [
            "set -o pipefail",
            f"[ ! -f {state} ] || . {state}",
            _as_installed(text, self._repository),
            keep,
        ]
        process = self._start("\n".join(lines), text)
        try:
            printed, _ = process.communicate(timeout=COMMAND_S_MAX)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            printed, _ = process.communicate()
            raise AssertionError(f"$ {text}\nis not done after {COMMAND_S_MAX:.0f} s\n{printed}") from None
        return Outcome(process.returncode, printed)

    def _stay(self, command: Command, ready_text: str = "", *, serves: bool = False) -> None:
        simple = "|" not in command.text and ";" not in command.text
        text = _as_installed(command.text, self._repository)
        variables = re.match(r"(?:\w+=\S+ )*", text)
        end = variables.end() if variables is not None else 0
        run = f"{text[:end]}exec {text[end:]}" if simple else text
        shell = f"[ ! -f {self._state} ] || . {self._state}\n{run}"
        staying = _Staying(self._start(shell, command.text), command, serves=serves)
        self._staying.append(staying)
        if ready_text:
            staying.wait_for_text(ready_text)

    def _start(self, script: str, text: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            ["/bin/bash", "-c", script],
            cwd=self.folder,
            env=self._environment | self._listener_ports(text),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def _listener_ports(self, text: str) -> dict[str, str]:
        """The default listeners' addresses on this machine, but for those that the page's own file places."""
        ports = {name: port for name, port in PORTS.items() if name not in self._own_ports}
        found = {
            f"LOGBOOM_LISTENERS__{name.upper()}__PORT": str(self._ports[port]) for name, port in ports.items()
        }
        for name in ("DEVICE", "GATEWAY", "COLLECTOR"):
            found[f"LOGBOOM_LISTENERS__{name}__HOST"] = "127.0.0.1"
        if "--profile gateway" in text:
            found["LOGBOOM_LISTENERS__HEALTH__PORT"] = str(self._ports[5000])
            found["LOGBOOM_LISTENERS__HEALTH__HOST"] = "127.0.0.1"
            found["LOGBOOM_LISTENERS__HEALTH__AUTH"] = "token"  # as on the network that the page speaks of
        return found

    def _wait_for_state_file(self, command: Command) -> None:
        """A follower keeps its position once the server has its first lines."""
        folder = Path(self._environment["HOME"], ".local/state/logboom")
        deadline = time.monotonic() + COMMAND_S_MAX
        while not list(folder.glob("*")):
            assert time.monotonic() < deadline, f"{command.text}: it keeps no position"
            time.sleep(0.02)

    def _end_server(self) -> None:
        """With what reads from it and sends to it."""
        if any(staying.serves for staying in self._staying):
            self._end_all()

    def _end_all(self) -> None:
        while self._staying:  # the newest first: the server is the oldest
            self._staying.pop().end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._end_all()
        finally:
            for staying in self._staying:
                staying.kill()
            left = end_processes_with(f"HOME={self._environment['HOME']}")
        assert kind is not None or not left, f"the page leaves processes behind: {left}"


def _spelled_out(text: str) -> str:
    for pattern, longer in _DEFAULTS:
        text = pattern.sub(longer, text)
    return text


def _difference(command: Command, printed: str) -> str:
    shown = "\n".join(command.shown)
    return f"$ {command.text}\nexpected\n{shown}\nfound\n{printed}"


def _as_installed(text: str, repository: Path) -> str:
    """`make run` as it is in an environment that is made already; its recipe is looked at, not its stamps."""
    found = re.match(r"make run(?: ARGS=(['\"])(.*?)\1)?(.*)$", text, re.DOTALL)
    if found is None:
        return text
    told = subprocess.run(
        ["make", "-n", "-C", str(repository), "run", f"ARGS={found[2] or ''}"],
        check=True,
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "PYTHON")},
    )
    recipe = next(line for line in told.stdout.splitlines() if line.startswith("exec .venv/bin/logboom"))
    return recipe.removeprefix("exec .venv/bin/") + found[3]
