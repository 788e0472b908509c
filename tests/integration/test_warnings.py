"""Neither the server nor a command causes a warning of the interpreter, which may be an error in the next version."""

import subprocess
import sys
from pathlib import Path

from logboom.testing.server_kit import ServerProcess

STRICT = ("-W", "error", "-X", "dev")
LISTENERS = ("device", "gateway", "collector", "capnp", "grpc", "http")


class StrictServer(ServerProcess):
    """A server whose warnings are errors; in development mode, unclosed files and sockets are warnings too."""

    def command(self) -> list[str]:
        python, *words = super().command()
        return [python, *STRICT, *words]


def strictly(folder: Path, *words: str) -> str:
    """Standard error of a command."""
    command = (sys.executable, *STRICT, "-m", "logboom", *words)
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, timeout=100)
    assert done.returncode == 0, (words, done.stderr)
    return done.stderr


def test_nothing_warns(tmp_path: Path) -> None:
    data_dir = str(tmp_path / "logboom-data")
    (tmp_path / "x.log").write_text("one\ntwo\n")
    with StrictServer(Path(data_dir), LISTENERS) as server:
        http, grpc, collector = (server.ports[name] for name in ("http", "grpc", "collector"))
        told = [
            strictly(tmp_path, "send", "x.log", "--to", f"ws://127.0.0.1:{http}"),
            strictly(tmp_path, "send", "x.log", "--to", f"grpc://127.0.0.1:{grpc}"),
            strictly(tmp_path, "send", "x.log", "--to", f"tcp://127.0.0.1:{collector}", "--as", "collector"),
            strictly(tmp_path, "tail", f"http://127.0.0.1:{http}", "--no-follow"),
            strictly(tmp_path, "alerts", "list", "--url", f"http://127.0.0.1:{http}"),
        ]
        told += [strictly(tmp_path, word) for word in ("health", "logs", "stats", "verify", "export")]
        told += [strictly(tmp_path, "cert"), strictly(tmp_path, "token", "add", "x")]
        assert server.stop() == 0
    texts = [*told, *(event["message"] for event in server.events)]
    assert not [text for text in texts if "Warning" in text or "Traceback" in text]
