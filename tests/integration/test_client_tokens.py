"""Tokens, seen from our clients: each protocol with a good, a wrong and no token, against a real server."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import logboom
from logboom.clients.delivery.delivery import Policy
from logboom.clients.delivery.report import Report
from logboom.clients.delivery.sending import send_lines
from logboom.clients.wire.bearer import exposure, shown_url, take_token
from logboom.clients.wire.dialect import ConnectFailedError
from logboom.clients.wire.dialect_registry import choose
from logboom.clients.wire.tls_trust import SYSTEM, Trust
from logboom.config import load
from logboom.errors import ConfigError
from logboom.pipeline.tokens import add_token
from tests.kit.app_kit import run_scenario
from tests.kit.app_thread import AppThread

SCHEMES = {
    "device": "tcp",
    "collector": "tcp",
    "gateway": "tcp",
    "capnp": "capnp",
    "grpc": "grpc",
    "ws": "ws",
    "http": "http",
}
"""The URL scheme of each protocol that clients speak."""
LISTENERS = ("device", "collector", "gateway", "capnp", "grpc", "http")
DEFINITE = {"grpc", "http", "ws"}
"""Protocols whose servers can say that it is the token."""
READING = '{"temp":1.5}'
IMPATIENT = Policy(tries=2, delays_s=(0.0,))


class World:
    """A server whose clients must show tokens, and the tokens by their scopes."""

    def __init__(self, app: AppThread, tokens: dict[str, str]) -> None:
        self.app = app
        self.tokens = tokens

    def url(self, name: str, userinfo: str = "") -> str:
        port = self.app.port("http" if name == "ws" else name)
        return f"{SCHEMES[name]}://{userinfo}127.0.0.1:{port}"

    @property
    def page(self) -> str:
        return f"http://127.0.0.1:{self.app.port('http')}"

    def send(self, name: str, token: str, *, lines: int = 3, url: str = "") -> Report:
        """Send lines as one protocol does."""
        dialect, target = choose(name, url or self.url(name), Trust(token=token))
        report = Report()
        run_scenario(
            send_lines(
                [READING if name == "gateway" else "hello"] * lines,
                target,
                dialect,
                policy=IMPATIENT,
                report=report,
            )
        )
        return report

    def run(self, *words: str, token: str = "", stdin: str = "") -> "subprocess.CompletedProcess[str]":
        """Run a command. No token is in what it prints."""
        environment = {key: value for key, value in os.environ.items() if key != "LOGBOOM_TOKEN"}
        environment |= {"LOGBOOM_TOKEN": token} if token else {}
        done = subprocess.run(
            [sys.executable, "-m", "logboom", *words],
            input=stdin,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        for secret in self.tokens.values():
            assert secret not in done.stdout + done.stderr
        return done


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("tokens")
    tokens = {name: add_token(folder / "tokens.json", name, (name,)) for name in ("write", "read")}
    tokens["wrong"] = "lb_wrong-by-all-means"
    settings = {"listeners": {name: {"auth": "token"} for name in LISTENERS}}
    with AppThread(folder, LISTENERS, settings=settings) as app:
        yield World(app, tokens)


# --- each protocol ---


@pytest.mark.parametrize("name", SCHEMES)
def test_a_good_token_opens_every_listener(world: World, name: str) -> None:
    report = world.send(name, world.tokens["write"])
    assert report.ok
    assert report.acknowledged + report.unconfirmed == 3


@pytest.mark.parametrize("name", SCHEMES)
def test_the_token_may_stand_in_the_url(world: World, name: str) -> None:
    report = world.send(name, "lb_another", url=world.url(name, f"any:{world.tokens['write']}@"))
    assert report.ok


@pytest.mark.parametrize("token", ["wrong", "read", ""])
@pytest.mark.parametrize("name", sorted(DEFINITE))
def test_a_refusal_that_the_server_explains_is_final(world: World, name: str, token: str) -> None:
    """`tries` and `delays_s` allow more than one."""
    dialect, target = choose(name, world.url(name), Trust(token=world.tokens.get(token, "")))
    patient = Policy(delays_s=(3600.0,), endless=True)
    expected = {"wrong": "does not know the token", "read": "not", "": "asks for a token"}[token]
    with pytest.raises(ConnectFailedError, match=expected) as caught:
        run_scenario(send_lines(["hello"], target, dialect, policy=patient))
    assert world.tokens.get(token, "lb_") not in str(caught.value)


@pytest.mark.parametrize("token", ["wrong", "read"])
@pytest.mark.parametrize("name", sorted(SCHEMES.keys() - DEFINITE))
def test_a_wrong_token_over_tcp_shows_on_connecting(world: World, name: str, token: str) -> None:
    """Also where nothing is ever answered: no line is sent for nothing."""
    with pytest.raises(ConnectFailedError, match="the token may be wrong or revoked"):
        world.send(name, world.tokens[token])


@pytest.mark.parametrize("name", ["device", "collector"])
def test_a_missing_token_over_tcp_is_suspected(world: World, name: str) -> None:
    report = world.send(name, "")
    assert (report.acknowledged, report.refused.total()) == (0, 3)
    (reason,) = report.refused
    assert reason.endswith(
        "the server closed the connection: it may ask for a token (LOGBOOM_TOKEN, or --token)"
    )


@pytest.mark.parametrize("name", ["gateway", "capnp"])
def test_lines_without_answers_are_not_called_sent_when_the_server_wants_a_token(
    world: World, name: str
) -> None:
    done = world.run("send", "--to", world.url(name), "--as", name, stdin=f"{READING}\n")
    assert done.returncode == 1
    assert "it may ask for a token" in done.stderr
    assert "1 refused" in done.stderr


# --- commands ---


@contextmanager
def started(words: tuple[str, ...], token: str) -> "Iterator[subprocess.Popen[str]]":
    """A command that goes on until it is stopped."""
    command = [sys.executable, "-m", "logboom", *words]
    pipe, environment = subprocess.PIPE, {**os.environ, "LOGBOOM_TOKEN": token}
    with subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


def test_send_takes_the_variable_the_option_and_the_url(world: World) -> None:
    token = world.tokens["write"]
    to = ("send", "--no-progress", "--as", "collector", "--to")
    for done in (
        world.run(*to, world.url("collector"), token=token, stdin="one\n"),
        world.run(*to, world.url("collector"), "--token", token, stdin="two\n"),
        world.run(*to, world.url("collector", f"any:{token}@"), token="lb_other", stdin="three\n"),
    ):
        assert done.returncode == 0, done.stderr
        assert "1 acknowledged" in done.stderr
        assert "unencrypted" not in done.stderr  # it goes to this machine only


@pytest.mark.parametrize("name", ["grpc", "ws", "collector"])
def test_send_ends_when_the_token_is_wrong(world: World, name: str) -> None:
    tries = ("--connect-tries", "1")
    done = world.run(
        "send", "--to", world.url(name), "--as", name, *tries, token=world.tokens["wrong"], stdin="x\n"
    )
    assert done.returncode == 3
    assert "token" in done.stderr


def test_following_ends_when_the_token_is_refused(world: World, tmp_path: Path) -> None:
    """And keeps its position before the line, for a better token."""
    log = tmp_path / "app.log"
    log.write_text("a line that a reader's token can't send\n", encoding="utf-8")
    state = ("--state", str(tmp_path / "state"))
    follow = ("send", str(log), "--follow", "--to", world.url("ws"), *state, "--max-reconnects", "0")
    for name in ("wrong", "read"):
        assert world.run(*follow, token=world.tokens[name]).returncode == 3
    tail = ("tail", world.page, "--grep", "a reader's token", "--json")
    with started(follow, world.tokens["write"]), started(tail, world.tokens["read"]) as shown:
        assert shown.stdout is not None
        assert "a line that" in shown.stdout.readline()


def test_run_delivers_and_returns_the_commands_code(world: World) -> None:
    words = ("run", "--to", world.url("ws"), "--", "sh", "-c", "echo from-run; exit 7")
    assert world.run(*words, token=world.tokens["write"]).returncode == 7
    refused = world.run(*words, token=world.tokens["wrong"])
    assert refused.returncode == 7
    assert "does not know the token" in refused.stderr
    assert "go out with the next `logboom run`" in refused.stderr
    shown = world.run("tail", world.page, "--no-follow", "--grep", "from-run", token=world.tokens["read"])
    assert shown.stdout.count("from-run") == 1


def test_run_says_what_tcp_can_not(world: World) -> None:
    words = ("run", "--to", world.url("device"), "--as", "device", "--flush-timeout", "1", "--", "echo", "x")
    assert "it may ask for a token" in world.run(*words).stderr


@pytest.mark.parametrize("url", ["http", "ws", "userinfo"])
def test_tail_reads_with_the_scope_read(world: World, url: str) -> None:
    world.send("device", world.tokens["write"])
    token = world.tokens["read"]
    address = {
        "http": world.page,
        "ws": world.page.replace("http", "ws"),
        "userinfo": world.page.replace("//", f"//any:{token}@"),
    }[url]
    done = world.run("tail", address, "--no-follow", token="" if url == "userinfo" else token)
    assert (done.returncode, "hello" in done.stdout) == (0, True), done.stderr


def test_tail_says_why_it_may_not(world: World) -> None:
    """With `--follow`, too: waiting would not help."""
    for token, reason in (("", "asks for a token"), ("wrong", "does not know the token"), ("write", "scope")):
        done = world.run("tail", world.page, token=world.tokens.get(token, ""))
        assert (done.returncode, reason in done.stderr) == (1, True), done.stderr


def test_export_and_simulate(world: World) -> None:
    device = (
        "simulate",
        "device",
        "--to",
        world.url("device"),
        "--count",
        "2",
        "--heartbeats",
        "0",
        "--rate",
        "0",
    )
    assert world.run(*device, token=world.tokens["write"]).returncode == 0
    export = ("export", "--format", "jsonl", "--url", world.page)
    done = world.run(*export, token=world.tokens["read"])
    assert (done.returncode, bool(done.stdout)) == (0, True), done.stderr
    userinfo = world.page.replace("//", f"//any:{world.tokens['read']}@")
    assert world.run("export", "--format", "jsonl", "--url", userinfo).returncode == 0
    refused = world.run(*export, token=world.tokens["wrong"])
    assert (refused.returncode, "does not know the token" in refused.stderr) == (1, True)


def test_health_needs_none_and_takes_a_url_that_has_one(world: World) -> None:
    url = world.page.replace("//", f"//any:{world.tokens['read']}@")
    assert world.run("health", "--url", url).returncode == 0


# --- the handler ---


def handle(url: str, folder: Path, **options: str) -> int:
    """Log one record; returns how many were acknowledged."""
    handler = logboom.LogboomHandler(url, spool_dir=folder, flush_timeout_s=20.0, **options)  # type: ignore[arg-type]
    try:
        handler.handle(
            logging.makeLogRecord({"name": "shop", "msg": "paid", "levelno": 20, "levelname": "INFO"})
        )
        handler.flush()
        return handler.acknowledged
    finally:
        handler.close()


@pytest.mark.parametrize("name", ["grpc", "collector", "http", "ws"])
def test_the_handler_delivers(
    world: World,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert handle(world.url(name), tmp_path, token=world.tokens["write"]) == 1
    assert handle(world.url(name, f"any:{world.tokens['write']}@"), tmp_path) == 1
    monkeypatch.setenv("LOGBOOM_TOKEN", world.tokens["write"])
    assert handle(world.url(name), tmp_path) == 1
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["grpc", "http"])
def test_records_that_a_wrong_token_kept_back_go_with_the_right_one(
    world: World, name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert handle(world.url(name), tmp_path, token=world.tokens["wrong"]) == 0
    said = capfd.readouterr().err
    assert said.count("does not know the token") == 1
    assert world.tokens["wrong"] not in said
    assert handle(world.url(name), tmp_path, token=world.tokens["write"]) == 2


# --- what is shown and what is not ---


def test_a_token_on_an_open_road_is_warned_of() -> None:
    trust = Trust(token="lb_secret")
    assert "lb_secret" not in exposure("tcp://10.0.0.2:5000", trust)
    for url in ("tcp://10.0.0.2:5000", "ws://logs.example.org", "grpc://[2001:db8::1]:9021"):
        assert "unencrypted" in exposure(url, trust)
    for url in ("tcps://10.0.0.2:5000", "wss://logs.example.org", "tcp://127.0.0.1:5000", "ws://[::1]:8080"):
        assert exposure(url, trust) == ""
    assert exposure("tcp://10.0.0.2:5000", SYSTEM) == ""
    assert exposure("http://localhost:8080", trust) == ""


@pytest.mark.parametrize(
    "url",
    [
        "tcp://any:lb_secret@host:99999",
        "nonsense://any:lb_secret@host:1",
        "tcp://any:lb_secret/x@host:1",
        "tcp://any:lb_secret?@host:1",
        "tcp://lb_secret@host:1",
        "tcp://any:lb_secret%20@host:1",
        "any:lb_secret@host:1",
        "tcp://any:lb_secret@host:1/path",
        "tcp://any:lb_secret@[::1",
        "tcp://any:lb_secret@a@host:port",
    ],
)
def test_no_error_shows_a_token(world: World, url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected|token|URL") as caught:
        choose("device", url)
    assert "lb_secret" not in str(caught.value)
    with pytest.raises(ConfigError, match=r"expected|token|URL") as caught:
        logboom.LogboomHandler(url.replace("tcp:", "tpc:"), spool_dir=tmp_path)
    assert "lb_secret" not in str(caught.value)
    assert "lb_secret" not in shown_url(url)


def test_a_token_is_in_no_representation() -> None:
    _, target = choose("device", "tcp://any:lb_secret@127.0.0.1:1")
    assert target.trust.token == "lb_secret"
    assert "lb_secret" not in f"{target} {target!r} {target.trust}"


@pytest.mark.parametrize("token", ["two words", "line\n", "ümlaut", "x" * 600])
def test_what_no_token_can_be_is_refused_before_it_is_sent(token: str) -> None:
    with pytest.raises(ConfigError, match="token") as caught:
        take_token("tcp://host:1", Trust(token=token))
    assert token not in str(caught.value)


def test_a_password_of_a_url_may_be_quoted() -> None:
    url, trust = take_token("http://any:a%2Fb%40c@host:1/logs", SYSTEM)
    assert (url, trust.user, trust.token) == ("http://host:1/logs", "any", "a/b@c")


def test_the_servers_settings_do_not_stumble_over_the_clients_variable() -> None:
    assert load(environment={"LOGBOOM_TOKEN": "lb_x", "LOGBOOM_REDIS_TOKEN": "y"})
    with pytest.raises(ConfigError, match="LOGBOOM_TOKENS"):
        load(environment={"LOGBOOM_TOKENS": "lb_x"})
