"""Installations with few extras: the handler alone, or the server alone; whatever needs an extra says which one."""

import json
import os
import platform
import socket
import subprocess
import sys
import urllib.request
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from logboom.testing.server_kit import ServerProcess
from tests.kit.packages import closure, environment

SOURCES = Path(__file__).parents[2] / "src"
PLAIN = ("device", "gateway", "collector", "http")


def installed(folder: Path, requirement: str) -> Path:
    """A folder with what `pip install` brings, and nothing else."""
    for name in closure([Requirement(requirement)], environment(platform.python_version())):
        found = distribution(name)
        tops = {path.parts[0] for path in found.files or [] if ".." not in path.parts and name != "logboom"}
        for top in tops - {"__pycache__"}:
            if not (folder / top).exists():
                (folder / top).symlink_to(Path(str(found.locate_file(top))))
    return folder


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server without any other extra."""
    folder = installed(tmp_path_factory.mktemp("packages"), "logboom[server]")
    for heavy in ("apprise", "capnp", "cryptography", "grpc", "pydantic", "redis", "uvloop"):
        assert not (folder / heavy).exists()
    return folder


@pytest.fixture(scope="module")
def handler_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What applications need that send logs with `LogboomHandler`."""
    folder = installed(tmp_path_factory.mktemp("packages"), "logboom")
    for unused in ("backports", "prometheus_client", "rich", "typer", "xxhash"):
        assert not (folder / unused).exists()
    return folder


def plain_environment(packages: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LOGBOOM_")}
    return {**inherited, "PYTHONPATH": f"{SOURCES}{os.pathsep}{packages}", "PYTHONSAFEPATH": "1"}


def ran(packages: Path, folder: Path, *words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        (sys.executable, "-S", "-m", "logboom", *words),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=folder,
        env={**plain_environment(packages), **variables},
    )


class PlainServer(ServerProcess):
    """A server that is asked for no listener, and told other ports for those that it can have."""

    def command(self) -> list[str]:
        listen = [f"--listen={name}=127.0.0.1:{port}" for name, port in self.ports.items()]
        folder = f"--data-dir={self.data_dir}"
        return [sys.executable, "-S", "-m", "logboom", "serve", folder, "--log-format=json", *listen]


def advice(extra: str) -> str:
    return f"it needs the extra `{extra}`: pip install 'logboom[{extra}]'"


def test_the_server_runs_and_names_what_it_leaves_out(packages: Path, tmp_path: Path) -> None:
    environment = plain_environment(packages)
    with PlainServer(tmp_path / "logboom-data", PLAIN, environment=environment) as server:
        told = [event["message"] for event in server.events if "left out" in event["message"]]
        assert told == [f"listener {name} is left out: {advice(name)}" for name in ("capnp", "grpc")]
        with server.connect("device") as device:
            device.sendall(b'{"boot_seq":1,"uptime_ms":2,"msg":"hello"}\n')
            assert device.recv(100) == b'{"ack":1}\n'
        for path in ("/", "/api/health", "/metrics", "/readyz"):
            with urllib.request.urlopen(f"http://127.0.0.1:{server.ports['http']}{path}", timeout=30) as page:
                assert page.status == 200
        for words in ("health", "logs", "stats", "verify", "export", "token list", "config check"):
            found = ran(packages, tmp_path, *words.split())
            assert found.returncode == 0, (words, found.stderr)
        assert "hello" in ran(packages, tmp_path, "logs").stdout
        assert server.stop() == 0


APPLICATION = """
import logging, sys
import logboom

logging.basicConfig(handlers=[logboom.LogboomHandler(sys.argv[1], spool_dir=sys.argv[2])])
logging.warning("battery at %d %%", 12, extra={"device": "pump-7"})
logging.shutdown()
"""


def test_an_application_sends_without_the_packages_of_the_server(
    handler_packages: Path, tmp_path: Path
) -> None:
    (tmp_path / "application.py").write_text(APPLICATION)
    schemes = {"http": "http", "ws": "http", "tcp": "collector"}
    with ServerProcess(tmp_path / "logboom-data", ("collector", "http")) as server:
        for scheme, listener in schemes.items():
            url = f"{scheme}://127.0.0.1:{server.ports[listener]}"
            done = subprocess.run(
                (sys.executable, "-S", "application.py", url, str(tmp_path / scheme)),
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
                cwd=tmp_path,
                env=plain_environment(handler_packages),
            )
            assert (done.returncode, done.stderr) == (0, "")
        stored = [json.loads(line)["entry"]["message"] for line in server.journal_lines()]
    assert stored == ["battery at 12 %"] * len(schemes)


@pytest.mark.parametrize("words", [(), ("--help",), ("serve",), ("health",)])
def test_the_commands_name_the_extra_that_has_them(
    words: tuple[str, ...], handler_packages: Path, tmp_path: Path
) -> None:
    found = ran(handler_packages, tmp_path, *words)
    assert (found.returncode, found.stderr) == (1, f"❌ the command logboom: {advice('server')}\n")


CERTIFICATE = ("--config", "tls.toml")

WANTED = {
    "grpc by --only": (("serve", "--only", "grpc"), "listener grpc", "grpc"),
    "capnp by --only": (("serve", "--only", "device,capnp"), "listener capnp", "capnp"),
    "capnp by --listen": (("serve", "--listen", "capnp=127.0.0.1:0"), "listener capnp", "capnp"),
    "profile": (("serve", "--profile", "ordered", "--tcp_only"), "listener capnp", "capnp"),
    "tls": (("serve", "--only", "device", *CERTIFICATE), "listeners.device.tls_cert", "tls"),
    "cert": (("cert",), "logboom cert", "tls"),
    "prove": (("prove",), "logboom prove", "capnp"),
    "send to grpc": (("send", "--to", "grpc://127.0.0.1:1", "x.log"), "protocol grpc", "grpc"),
    "send to capnp": (("send", "--to", "capnp://127.0.0.1:1", "x.log"), "protocol capnp", "capnp"),
}


@pytest.mark.parametrize("case", WANTED)
def test_what_is_asked_for_names_the_extra_that_it_needs(case: str, packages: Path, tmp_path: Path) -> None:
    words, what, extra = WANTED[case]
    (tmp_path / "tls.toml").write_text(
        "listeners.device.tls_cert = 'tls.toml'\nlisteners.device.tls_key = 'tls.toml'\n"
    )
    (tmp_path / "x.log").write_text("x\n")
    found = ran(packages, tmp_path, *words)
    assert (found.returncode, found.stderr.splitlines()[-1]) == (1, f"❌ {what}: {advice(extra)}")


@pytest.mark.parametrize(
    "words", ["serve --only device --listen device=127.0.0.1:0", "config check", "alerts test"]
)
def test_an_alert_target_names_the_extra_that_it_needs(words: str, packages: Path, tmp_path: Path) -> None:
    found = ran(packages, tmp_path, *words.split(), LOGBOOM_ALERTS__NOTIFY="json://127.0.0.1:1/hook")
    assert (found.returncode, found.stderr.splitlines()[-1]) == (1, f"❌ alerts.notify: {advice('alerts')}")


@pytest.mark.parametrize(
    ("url", "extra"), [("redis://127.0.0.1:1", "redis"), ("https://127.0.0.1:1", "redis-rest")]
)
def test_a_viewer_of_redis_names_the_extra_that_it_needs(
    url: str, extra: str, packages: Path, tmp_path: Path
) -> None:
    found = ran(packages, tmp_path, "logs", "--redis", url, LOGBOOM_REDIS_TOKEN="t")
    assert f"pip install 'logboom[{extra}]'" in " ".join(found.stderr.split())
    assert "Traceback" not in found.stderr


def test_an_output_names_the_extra_that_it_needs(packages: Path, tmp_path: Path) -> None:
    variables = {
        **plain_environment(packages),
        "LOGBOOM_OUTPUTS__DB__TYPE": "postgres",
        "LOGBOOM_OUTPUTS__DB__URL": "postgresql://127.0.0.1:1/x",
    }
    with PlainServer(tmp_path, PLAIN, environment=variables) as server:
        server.wait_for(lambda event: "pip install 'logboom[postgres]'" in event["message"])
        with socket.create_connection(("127.0.0.1", server.ports["device"]), timeout=30):
            pass  # the others are served all the same
