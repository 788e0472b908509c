"""`deploy/`: what is handed to container engines and systemd fits the server, and is as closed as it says."""

import asyncio
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from logboom.config import load
from logboom.outputs.registry import output_settings
from logboom.servers.udp import RECEIVE_BUFFER_BYTES
from logboom.settings import Settings
from tests.kit.packages import closure, environment
from tests.kit.services import give_up

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
SECRET_NAME = re.compile(r"PASSWORD|TOKEN|SECRET|AUTH", re.IGNORECASE)
FROM_OUTSIDE = re.compile(r"\$\{\w+:\?[^}]*\}")
"""`${NAME:?text}`: taken from the environment file, refused when it is missing."""


def instructions(path: Path) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile and their arguments; continued lines are joined."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    pairs = [line.strip().partition(" ") for line in joined.splitlines() if line.strip()]
    return [(word, " ".join(rest.split())) for word, _, rest in pairs]


def last_stage() -> dict[str, str]:
    """The last instruction of each kind in the image that is shipped."""
    found = instructions(DEPLOY / "Dockerfile")
    start = max(number for number, (word, _) in enumerate(found) if word == "FROM")
    return dict(found[start:])


def dictionary_of(variables: str) -> dict[str, str]:
    """`A=1 B=2` of an ENV instruction."""
    return dict(part.split("=", 1) for part in variables.split())


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml", reason="PyYAML reads compose.yaml, and comes with apprise")
    parsed: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return parsed


# --- the image ---


def test_the_image_copies_what_is_there_and_not_ignored() -> None:
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    assert rules[1] == "*"
    allowed = [rule[1:] for rule in rules if rule.startswith("!")]
    copies = [rest for word, rest in instructions(DEPLOY / "Dockerfile") if word == "COPY"]
    assert copies
    for rest in copies:
        if rest.startswith("--from="):
            continue
        *sources, _ = rest.split()
        for source in sources:
            assert (ROOT / source).exists(), source
            assert source.rstrip("/") in allowed, f"{source} is left out by .dockerignore"


def test_the_assets_that_the_image_copies_are_those_that_make_copies() -> None:
    dockerfile, makefile = (DEPLOY / "Dockerfile").read_text(), (ROOT / "Makefile").read_text()
    for name in ("dist/uPlot.esm.js", "dist/uPlot.min.css", "LICENSE"):
        assert f"node_modules/uplot/{name}" in dockerfile
        assert f"node_modules/uplot/{name}" in makefile


def test_the_image_runs_as_nobody_in_particular() -> None:
    stage = last_stage()
    assert stage["USER"] == "10001:10001"
    assert stage["VOLUME"] == "/data"
    assert stage["STOPSIGNAL"] == "SIGTERM"
    assert json.loads(stage["ENTRYPOINT"]) == ["logboom"]
    assert json.loads(stage["CMD"]) == ["serve"]
    assert json.loads(stage["HEALTHCHECK"].partition("CMD ")[2]) == ["logboom", "health"]


def test_the_image_keeps_its_data_in_its_volume() -> None:
    variables = dictionary_of(last_stage()["ENV"])
    assert load(environment=variables_of_ours(variables)).data_dir == "/data"


def variables_of_ours(variables: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in variables.items() if name.startswith("LOGBOOM_")}


def test_the_image_names_the_ports_of_the_listeners() -> None:
    ports = {listener.port for listener in load(environment={}).listeners.values()}
    assert {int(port) for port in last_stage()["EXPOSE"].split()} == ports


def test_the_image_holds_no_secret_and_nothing_unhashed() -> None:
    found = instructions(DEPLOY / "Dockerfile")
    assert not [rest for word, rest in found if word in ("ARG", "ENV") and SECRET_NAME.search(rest)]
    installs = [rest for word, rest in found if word == "RUN" and "pip install" in rest]
    hashed, ours = "--require-hashes", "--no-deps --no-build-isolation ."
    assert all(hashed in rest or rest.endswith(ours) for rest in installs)
    assert [rest for word, rest in found if word == "RUN" and "npm ci --ignore-scripts" in rest]


def test_the_image_can_be_made_of_each_lock_that_it_copies() -> None:
    copies = [rest.split() for word, rest in instructions(DEPLOY / "Dockerfile") if word == "COPY"]
    locks = {
        source
        for words in copies
        for source in words
        if source.startswith("requirements/") and source[-1] != "/"
    }
    assert locks == {"requirements/plain.txt", "requirements/run.txt"}
    assert "ARG REQUIREMENTS=run" in (DEPLOY / "Dockerfile").read_text()


def test_the_image_has_the_bytecode_of_the_standard_library() -> None:
    runs = [rest for word, rest in instructions(DEPLOY / "Dockerfile") if word == "RUN"]
    [compiling] = [rest for rest in runs if "compileall" in rest]
    pattern = re.search(r"-x '([^']*)'", compiling)
    assert pattern
    used = (json.__file__, asyncio.__file__, socket.__file__, tomllib.__file__)
    assert not [path for path in used if re.search(pattern[1], path)]


def test_libraries_run_without_their_symbols(tmp_path: Path) -> None:
    # As the image is built: each is stripped, and has to load then.
    strip = shutil.which("strip") or give_up("there is no strip; Debian has it in the package binutils")
    wanted = closure([Requirement("logboom[all]")], environment(platform.python_version()))
    paths = {
        Path(str(found.locate_file(path)))
        for found in map(distribution, wanted)
        for path in found.files or []
        if ".so" in path.suffixes
    }
    assert len(paths) > 20
    for number, path in enumerate(sorted(paths)):
        shutil.copy(path, tmp_path / f"{number:03}-{path.name}")
    libraries = sorted(str(path) for path in tmp_path.iterdir())
    subprocess.run((strip, "--strip-unneeded", *libraries), check=True)
    code = "import ctypes, sys; [ctypes.PyDLL(path) for path in sys.argv[1:]]"
    subprocess.run((sys.executable, "-c", code, *libraries), check=True)
    saved = sum(path.stat().st_size for path in paths) - sum(Path(path).stat().st_size for path in libraries)
    assert saved > 50 << 20


def test_no_file_names_a_registry(compose: dict[str, Any]) -> None:
    images = [rest.split()[0] for word, rest in instructions(DEPLOY / "Dockerfile") if word == "FROM"]
    images += [service["image"] for service in compose["services"].values()]
    assert not [image for image in images if "/" in image]
    assert "resolved" not in (ROOT / "web-assets" / "package-lock.json").read_text()
    assert "registry=" not in (ROOT / "web-assets" / ".npmrc").read_text()


def test_what_the_page_takes_from_others_is_pinned_by_its_hash() -> None:
    lock = json.loads((ROOT / "web-assets" / "package-lock.json").read_text())
    wanted = json.loads((ROOT / "web-assets" / "package.json").read_text())["dependencies"]
    for name, version in wanted.items():
        found = lock["packages"][f"node_modules/{name}"]
        assert found["version"] == version
        assert found["integrity"].startswith("sha512-")


# --- compose.yaml ---


def test_every_service_has_no_more_rights_than_it_needs(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert service["mem_limit"], name
        assert service["pids_limit"], name
        assert "cap_add" not in service, name
        assert "privileged" not in service, name
        is_ours = "build" in service  # its user and its health check stand in the Dockerfile
        assert is_ours or not str(service["user"]).startswith("0"), name
        assert is_ours or service["healthcheck"]["test"], name


def test_every_volume_is_declared(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            assert (DEPLOY / source).is_file() if source.startswith(".") else source in compose["volumes"]


def test_what_can_be_read_is_published_on_this_machine_only(compose: dict[str, Any]) -> None:
    defaults = load(environment={}).listeners
    for port in compose["services"]["logboom"]["ports"]:
        *address, outer, inner = port.split(":")
        (listener,) = [one for one in defaults.values() if one.port == int(inner)]
        assert outer == inner
        assert address == ([listener.host] if listener.host == "127.0.0.1" else [])
    assert not [
        name for name, service in compose["services"].items() if name != "logboom" and "ports" in service
    ]
    assert compose["networks"]["inside"]["internal"] is True


def test_no_secret_stands_in_the_file(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for variable, value in service["environment"].items():
            holds_one = SECRET_NAME.search(variable) or re.search(r"://[^@/]*:[^@/]*@", str(value))
            assert not holds_one or FROM_OUTSIDE.search(str(value)), f"{name}: {variable}"


def test_the_environment_file_of_compose_is_in_no_commit() -> None:
    assert "/deploy/.env" in (ROOT / ".gitignore").read_text().splitlines()


def test_the_server_in_a_container_understands_its_environment(compose: dict[str, Any]) -> None:
    service = compose["services"]["logboom"]
    variables = {
        name: FROM_OUTSIDE.sub("geheim", str(value)) for name, value in service["environment"].items()
    }
    settings = load(file=DEPLOY / "logboom.toml", environment=variables_of_ours(variables))
    assert settings.data_dir == "/data"
    assert {listener.host for listener in settings.listeners.values()} == {"0.0.0.0"}
    for name, table in settings.outputs.items():
        assert output_settings(name, table).enabled


def test_a_container_gets_the_time_that_stopping_takes(compose: dict[str, Any]) -> None:
    grace_s = int(compose["services"]["logboom"]["stop_grace_period"].removesuffix("s"))
    assert grace_s > Settings().shutdown_s


# --- settings ---


def test_the_example_configuration_is_good() -> None:
    assert load(file=DEPLOY / "logboom.toml", environment={}).data_dir == "/var/lib/logboom"


def test_what_is_commented_out_in_the_example_is_good_too(tmp_path: Path) -> None:
    text = (DEPLOY / "logboom.toml").read_text()
    path = tmp_path / "logboom.toml"
    path.write_text(re.sub(r"(?m)^# (?=\[|\w+ = )", "", text))
    settings = load(file=path, environment={})
    assert settings.only
    assert [output_settings(name, table).type for name, table in settings.outputs.items()] == ["jsonl"]


def test_the_example_environment_names_settings_and_no_secret() -> None:
    text = (DEPLOY / "logboom.env.example").read_text()
    assigned = dict(re.findall(r"(?m)^#?([A-Z][A-Z0-9_]*)=(.*)$", text))
    assert assigned["REDIS_PASSWORD"] == assigned["POSTGRES_PASSWORD"] == ""
    settings = load(environment=variables_of_ours(assigned))
    assert set(settings.outputs) == {"redis", "postgres"}
    for name, table in settings.outputs.items():
        assert output_settings(name, table).enabled
        assert "PASSWORD@" in table["url"]


# --- systemd ---


SOCKET_UNITS = ("logboom.socket", "logboom-udp.socket")


def unit(name: str = "logboom.service") -> dict[str, list[str]]:
    """The unit's assignments: each key's values."""
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / name).read_text().splitlines():
        if line and line[0] not in "#[":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def test_the_unit_is_told_when_the_server_is_ready_and_alive() -> None:
    found = unit()
    assert found["Type"] == ["notify"]
    assert found["NotifyAccess"] == ["main"]
    assert found["Restart"] == ["always"]
    assert found["StartLimitIntervalSec"] == ["0"]
    assert int(found["WatchdogSec"][0]) > 0
    assert int(found["TimeoutStopSec"][0]) > Settings().shutdown_s
    assert found["ExecReload"] == ["/bin/kill -HUP $MAINPID"]


def test_the_unit_can_write_where_its_configuration_says() -> None:
    settings = load(file=DEPLOY / "logboom.toml", environment={})
    assert settings.data_dir == f"/var/lib/{unit()['StateDirectory'][0]}" == unit()["WorkingDirectory"][0]


def test_the_unit_lets_all_connections_in() -> None:
    listeners = load(environment={}).listeners.values()
    assert int(unit()["LimitNOFILE"][0]) > sum(listener.connections_max for listener in listeners)


def test_the_socket_units_bind_the_privileged_ports_of_the_network_profile() -> None:
    listeners = load(profile="network", environment={}).active_listeners
    wanted = [f"0.0.0.0:{listeners['syslog'].port}", f"[::]:{listeners['syslog'].port}"]
    assert listeners["syslog-udp"].port == listeners["syslog"].port
    assert [unit(SOCKET_UNITS[0])["ListenStream"], unit(SOCKET_UNITS[1])["ListenDatagram"]] == [
        wanted,
        wanted,
    ]
    for name in SOCKET_UNITS:
        assert unit(name)["BindIPv6Only"] == ["ipv6-only"]  # the only kind that the server takes
        assert unit(name)["Service"] == ["logboom.service"]
    assert unit(SOCKET_UNITS[1])["ReceiveBuffer"] == [f"{RECEIVE_BUFFER_BYTES >> 20}M"]


@pytest.fixture
def systemd_analyze() -> str:
    binary = shutil.which("systemd-analyze")
    if binary is None:
        pytest.skip("there is no systemd-analyze; Debian has it in the package systemd")
    return binary


@pytest.fixture
def installed_unit(tmp_path: Path) -> Path:
    """The unit as it would stand on a machine where its programs exist."""
    text = (DEPLOY / "logboom.service").read_text()
    path = tmp_path / "logboom.service"
    path.write_text(re.sub(r"(?m)^(ExecStart|ExecReload)=\S+", r"\1=/bin/true", text))
    for name in SOCKET_UNITS:
        shutil.copy(DEPLOY / name, tmp_path)
    return path


def ran(*command: str) -> str:
    """What a command says; it has to end well."""
    environment = {**os.environ, "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": "cat"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_systemd_understands_the_unit(systemd_analyze: str, installed_unit: Path) -> None:
    sockets = [str(installed_unit.with_name(name)) for name in SOCKET_UNITS]
    said = ran(systemd_analyze, "verify", "--man=no", str(installed_unit), *sockets)
    assert "logboom" not in said


def test_systemd_finds_the_unit_well_closed(systemd_analyze: str, installed_unit: Path) -> None:
    ran(systemd_analyze, "security", "--offline=true", "--threshold=15", "--no-pager", str(installed_unit))
