"""The logging handler against a server that is there, away, busy, or picky, as the test says."""

import asyncio
import json
import logging
import logging.config
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import pytest

import logboom
from logboom.clients.delivery import courier as courier_module
from logboom.clients.delivery.delivery import Policy
from logboom.clients.handler import logging_handler as handler_module
from logboom.clients.handler.logentry import Entries, Shape
from logboom.clients.handler.logging_handler import LogboomHandler
from logboom.clients.wire.dialect import Answers, Dialect, Outcome, Reply
from logboom.clients.wire.target import Target
from tests.kit.spool_kit import texts_in

LIMIT_S = 30.0
"""Longer than anything here takes: a test that waits for this has failed."""
URL = "tcp://127.0.0.1:9000"


class Server:
    """What the handler's dialect talks to."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.away = False
        self.tries = 0
        self.answer: Callable[[dict[str, Any]], Reply] = lambda _: Reply(Outcome.ACKNOWLEDGED)
        self.changed = threading.Condition()

    def tell(self) -> None:
        with self.changed:
            self.changed.notify_all()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, LIMIT_S)

    def messages(self) -> list[str]:
        return [line["message"] for line in self.lines]


class FakeLink:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._replies: list[Reply] = []

    @property
    def lost(self) -> bool:
        return self._server.away

    def send(self, payloads: Sequence[bytes], key: str = "") -> None:
        for payload in payloads:
            line = json.loads(payload)
            reply = self._server.answer(line)
            if reply.outcome is Outcome.ACKNOWLEDGED:
                self._server.lines.append(line)
            self._replies.append(reply)
        self._server.tell()

    async def flush(self) -> None:
        pass

    async def receive(self) -> list[Reply]:
        if self._server.away:
            raise ConnectionResetError("away, says the test")
        await asyncio.sleep(0)
        replies, self._replies = self._replies, []
        return replies

    async def finish(self, linger_s: float) -> None:
        pass

    async def close(self) -> None:
        pass


class FakeDialect(Dialect):
    name: ClassVar[str] = "collector"
    schemes: ClassVar[tuple[str, ...]] = ("tcp",)
    port_default: ClassVar[int] = 9000
    answers: ClassVar[Answers] = Answers.EACH
    timeout_s: ClassVar[float] = LIMIT_S

    def __init__(self, server: Server) -> None:
        self.server = server

    def encode(self, line: bytes) -> bytes:
        return line

    async def connect(self, target: Target) -> FakeLink:
        self.server.tries += 1
        self.server.tell()
        if self.server.away:
            raise ConnectionRefusedError("away, says the test")
        return FakeLink(self.server)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    found = Server()

    def choose(_name: str, _url: str, _trust: object) -> tuple[Any, Target]:
        return FakeDialect(found), Target("tcp", "127.0.0.1", 9000)

    def policy(*, reconnects_max: int, window: int) -> Policy:
        return Policy(window=window, tries=1 << 62, delays_s=(0.01,), endless=True, wait_s_max=float("inf"))

    monkeypatch.setattr(handler_module, "choose", choose)
    monkeypatch.setattr(courier_module, "patient_policy", policy)
    return found


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., LogboomHandler]]:
    """Makes handlers, and sees to their end."""
    made = []

    def make(**options: Any) -> LogboomHandler:
        settings = {"spool_dir": tmp_path / "spool", "flush_timeout_s": LIMIT_S, **options}
        handler = LogboomHandler(URL, **settings)
        made.append(handler)
        return handler

    yield make
    for handler in made:
        logging.getLogger("app.part").removeHandler(handler)
        handler._timeout_s = 0.0
        handler.close()


Make = Callable[..., LogboomHandler]


def log(handler: LogboomHandler, *messages: str, level: int = logging.INFO) -> None:
    for message in messages:
        handler.handle(
            logging.LogRecord("app.part", level, "/srv/app/main.py", 42, message, (), None, "work")
        )


def spooled(folder: Path) -> list[str]:
    return [json.loads(text)["message"] for text in texts_in(folder / "spool")]


# what is sent


def test_a_record_fills_the_documents_fields(server: Server, make: Make) -> None:
    handler = make(service_name="orders")
    logger = logging.getLogger("app.part")
    logger.addHandler(handler)
    try:
        dict[str, str]().pop("the cause")
    except KeyError:
        logger.exception("it failed for %s", "äöü")
    handler.flush()
    [line] = server.lines
    assert line["message"] == "it failed for äöü"
    assert (line["level"], line["logger_name"], line["service_name"]) == ("ERROR", "app.part", "orders")
    assert (line["module"], line["filename"], line["path_name"]) == (
        "test_logging_handler",
        "test_logging_handler.py",
        __file__,
    )
    assert line["function_name"] == "test_a_record_fills_the_documents_fields"
    assert int(line["line_number"]) > 0
    assert (line["process_name"], line["thread_name"]) == ("MainProcess", "MainThread")
    assert line["thread_id"] == str(threading.get_ident())
    assert line["stack_trace"].startswith("Traceback (most recent call last):\n")
    assert line["stack_trace"].endswith("KeyError: 'the cause'")
    assert line["timestamp"].endswith("+00:00")
    assert len(line) == 16
    assert all(isinstance(value, str) for value in line.values())


def test_a_formatter_makes_the_message_only(server: Server, make: Make) -> None:
    handler = make()
    handler.setFormatter(logging.Formatter("<%(name)s> %(message)s"))
    record = logging.LogRecord("app", logging.INFO, "a.py", 1, "m", (), (OSError, OSError("x"), None), "f")
    handler.handle(record)
    handler.flush()
    assert server.messages() == ["<app> m"]
    assert server.lines[0]["stack_trace"] == "OSError: x"
    assert record.exc_info is not None


def test_a_stack_is_sent_with_the_record(server: Server, make: Make) -> None:
    handler = make()
    logger = logging.getLogger("app.part")
    logger.addHandler(handler)
    logger.warning("here", stack_info=True)
    handler.flush()
    assert server.lines[0]["stack_trace"].startswith("Stack (most recent call last):\n")


@pytest.mark.parametrize(("keeps_words", "shown"), [(True, "Level 25"), (False, "INFO")])
def test_levels_of_ones_own(server: Server, make: Make, keeps_words: bool, shown: str) -> None:
    handler = make()
    handler._entries = Entries(Shape(has_fields=keeps_words))
    log(handler, "m", level=25)
    handler.flush()
    assert server.lines[0]["level"] == shown


def test_what_json_has_no_place_for_is_replaced(server: Server, make: Make) -> None:
    handler = make()
    log(handler, "a\udcff\nb\x00", "")
    handler.flush()
    assert server.messages() == ["a\\udcff\nb\x00", ""]


def test_order_is_kept_over_many_windows(server: Server, make: Make) -> None:
    handler = make()
    messages = [str(number) for number in range(2000)]
    log(handler, *messages)
    handler.flush()
    assert server.messages() == messages
    assert (handler.acknowledged, handler.dropped, handler.refused) == (2000, 0, 0)


@pytest.mark.parametrize("style", ["%", "{", "$"])
def test_the_format_that_nobody_chose_is_ignored(server: Server, make: Make, style: Any) -> None:
    handler, root = make(), logging.Logger("root")  # noqa: LOG001 - not that of the tests
    with mock.patch.object(logging, "root", root):
        logging.basicConfig(level=logging.INFO, handlers=[handler], style=style)
    root.info("pump started")
    handler.setFormatter(logging.Formatter("<%(name)s> %(message)s"))
    root.info("pump stopped")
    handler.flush()
    assert server.messages() == ["pump started", "<root> pump stopped"]


def test_a_format_of_basic_config_is_used(server: Server, make: Make) -> None:
    handler, root = make(), logging.Logger("root")  # noqa: LOG001 - not that of the tests
    with mock.patch.object(logging, "root", root):
        logging.basicConfig(level=logging.INFO, handlers=[handler], format="%(levelname)s! %(message)s")
    root.info("m")
    handler.flush()
    assert server.messages() == ["INFO! m"]


def test_extras_are_sent_as_fields(server: Server, make: Make) -> None:
    handler = make()
    logger = logging.getLogger("app.part")
    logger.addHandler(handler)
    logger.warning("m", extra={"user": {"id": 5}, "when": None})
    handler.flush()
    [line] = server.lines
    assert (line["user"], line["when"]) == ({"id": 5}, None)


class Noisy:
    """Logs when it is collected."""

    def __init__(self, handler: LogboomHandler) -> None:
        self.handler = handler

    def __del__(self) -> None:
        log(self.handler, "collected")


def test_what_is_collected_while_sending_may_log(server: Server, make: Make) -> None:
    handler = make()
    kept = [Noisy(handler)]

    def answer(_: dict[str, Any]) -> Reply:
        kept.clear()
        return Reply(Outcome.ACKNOWLEDGED)

    server.answer = answer
    log(handler, "a")
    server.wait_for(lambda: server.messages() == ["a", "collected"])


# what goes wrong


def test_nothing_escapes_into_the_application(
    server: Server, make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = make()
    handler.handle(logging.LogRecord("app", logging.INFO, "a.py", 1, "%d", ("no number",), None))
    assert "Logging error" in capsys.readouterr().err
    log(handler, "fine")
    handler.flush()
    assert server.messages() == ["%d ('no number',)", "fine"]


def test_an_outage_loses_nothing(server: Server, make: Make, tmp_path: Path) -> None:
    handler = make()
    log(handler, "0", "1")
    handler.flush()
    server.away = True
    log(handler, "2", "3")
    handler.flush()  # returns, for it is on disk
    assert spooled(tmp_path)[-2:] == ["2", "3"]
    log(handler, "4")
    handler.flush()
    server.away = False
    server.wait_for(lambda: len(server.lines) == 5)
    assert server.messages() == ["0", "1", "2", "3", "4"]
    handler.close()
    assert not list((tmp_path / "spool").iterdir())


def test_without_a_spool_records_wait_in_memory(server: Server, make: Make, tmp_path: Path) -> None:
    server.away = True
    handler = make(spool_bytes_max=0, flush_timeout_s=0.0)
    log(handler, "a", "b")
    server.wait_for(lambda: server.tries > 1)
    handler.flush()
    server.away = False
    server.wait_for(lambda: server.messages() == ["a", "b"])
    assert not (tmp_path / "spool").exists()


def test_the_next_run_sends_what_this_one_could_not(server: Server, make: Make, tmp_path: Path) -> None:
    server.away = True
    first = make()
    log(first, "a", "b")
    first.close()
    assert spooled(tmp_path) == ["a", "b"]
    server.away = False
    second = make()
    log(second, "c")
    second.flush()
    assert server.messages() == ["a", "b", "c"]


def test_each_process_has_its_own_file(server: Server, make: Make, tmp_path: Path) -> None:
    server.away = True
    handlers = [make(), make()]
    for handler, message in zip(handlers, "ab", strict=True):
        log(handler, message)
        handler.flush()
    assert len(list((tmp_path / "spool").iterdir())) == 2
    server.away = False
    for handler in handlers:
        handler.flush()
    server.wait_for(lambda: sorted(server.messages()) == ["a", "b"])


def test_a_full_spool_drops_and_says_so_once(
    server: Server, make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    server.away = True
    handler = make(spool_bytes_max=1000)
    for number in range(20):
        log(handler, f"message {number}")
        handler.flush()
    assert 0 < handler.dropped < 20
    assert capsys.readouterr().err.count("log entries are dropped") == 1
    server.away = False
    server.wait_for(lambda: len(server.lines) == 20 - handler.dropped)
    assert server.messages()[0] == "message 0"
    handler.flush()
    server.away = True
    for number in range(20):
        log(handler, f"message {number}")
        handler.flush()
    assert capsys.readouterr().err.count("log entries are dropped") == 1


def test_refused_records_are_counted(server: Server, make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    refusal, good = Reply(Outcome.REFUSED, "line too long"), Reply(Outcome.ACKNOWLEDGED)
    server.answer = lambda line: refusal if line["message"] == "bad" else good
    handler = make()
    log(handler, "a", "bad", "b", "bad")
    handler.flush()
    assert server.messages() == ["a", "b"]
    assert handler.refused == 2
    assert capsys.readouterr().err.count("line too long") == 1


@pytest.mark.parametrize("outcome", [Outcome.BUSY, Outcome.LIMITED])
def test_records_are_sent_until_they_are_acknowledged(server: Server, make: Make, outcome: Outcome) -> None:
    left = iter([Reply(outcome, "not now", 0.02)] * 5)
    server.answer = lambda _: next(left, Reply(Outcome.ACKNOWLEDGED))
    handler = make()
    log(handler, "a", "b", "c")
    handler.flush()
    assert sorted(server.messages()) == ["a", "b", "c"]
    assert handler.refused == 0


def test_a_spool_that_cant_be_written_is_told(
    server: Server, make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    handler = make(spool_dir=tmp_path / "file")
    log(handler, "a")
    handler.flush()
    log(handler, "b")
    handler.flush()
    assert server.messages() == ["a", "b"]
    assert capsys.readouterr().err.count("can't write the spool") == 1


def test_damaged_records_of_the_spool_are_left_out_and_reported(
    server: Server, make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.away = True
    first = make()
    log(first, "a", "b")
    first.close()
    [path] = (tmp_path / "spool").iterdir()
    path.write_bytes(path.read_bytes().replace(b'"a"', b"\0\0\0"))
    server.away = False
    second = make()
    log(second, "c")
    second.flush()
    assert server.messages() == ["b", "c"]
    assert "of the spool are damaged" in capsys.readouterr().err


def test_what_sending_logs_is_not_sent(server: Server, make: Make) -> None:
    handler = make()

    def answer(_: dict[str, Any]) -> Reply:
        log(handler, "about sending")
        return Reply(Outcome.ACKNOWLEDGED)

    server.answer = answer
    log(handler, "a")
    handler.flush()
    assert server.messages() == ["a"]


# beginning and end


def test_no_thread_before_the_first_record(server: Server, make: Make) -> None:
    before = threading.active_count()
    handler = make()
    handler.flush()
    assert threading.active_count() == before
    log(handler, "a")
    handler.close()
    assert threading.active_count() == before
    assert server.messages() == ["a"]


def test_a_thread_that_has_just_begun_can_be_stopped(server: Server, make: Make, tmp_path: Path) -> None:
    for _ in range(20):
        handler = make(flush_timeout_s=0.0)
        log(handler, "a")
        handler.close()
        assert handler._courier._thread is None
    last = make()
    log(last, "b")
    last.flush()
    assert set(server.messages()) == {"a", "b"}
    assert len(server.lines) >= 21


def test_after_the_end_records_stay_in_the_spool(server: Server, make: Make, tmp_path: Path) -> None:
    handler = make()
    handler.close()
    handler.close()
    log(handler, "late")
    assert handler.dropped == 0
    assert not server.lines
    assert spooled(tmp_path) == ["late"]


def test_after_the_end_records_without_a_spool_are_counted(server: Server, make: Make) -> None:
    handler = make(spool_bytes_max=0)
    handler.close()
    log(handler, "late")
    assert handler.dropped == 1
    assert not server.lines


def test_what_comes_while_no_thread_can_start_is_kept(
    server: Server, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    handler = make(flush_timeout_s=0.0)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        log(handler, "a", "b")
        handler.close()
    assert spooled(tmp_path) == ["a", "b"]


def test_it_is_configured_by_a_dictionary(server: Server, tmp_path: Path) -> None:
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {
                "server": {
                    "class": "logboom.LogboomHandler",
                    "url": URL,
                    "level": "WARNING",
                    "spool_dir": str(tmp_path),
                    "service_name": "shop",
                }
            },
            "loggers": {"configured": {"level": "DEBUG", "handlers": ["server"], "propagate": False}},
        }
    )
    logger = logging.getLogger("configured")
    [handler] = logger.handlers
    assert isinstance(handler, logboom.LogboomHandler)
    logger.info("below")
    logger.warning("above")
    handler.close()
    logger.removeHandler(handler)
    assert [(line["message"], line["service_name"]) for line in server.lines] == [("above", "shop")]


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "127.0.0.1:9000", "udp://x:1", "grpc://", "tcp://a:b"])
def test_a_wrong_url_is_an_error_at_once(url: str, tmp_path: Path) -> None:
    with pytest.raises(logboom.errors.ConfigError, match=r"expected .*://HOST:PORT"):
        LogboomHandler(url, spool_dir=tmp_path)


def test_a_wrong_url_is_told_once() -> None:
    script = "from logboom import LogboomHandler; LogboomHandler('ftp://127.0.0.1')"
    outcome = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert outcome.returncode == 1
    assert outcome.stderr.count("Traceback") == 1  # none of `logging`, which closes its handlers at the end


def test_the_default_is_this_machines_http_port(tmp_path: Path) -> None:
    handler = LogboomHandler(spool_dir=tmp_path)
    assert str(handler._courier._target) == "http://127.0.0.1:8080"
    handler.close()


@pytest.mark.parametrize(
    "url", ["http://h", "https://h/logs", "ws://h", "grpc://h", "tcp://h", "capnp://h", "tcp://[::1]:9000"]
)
def test_every_protocol_has_its_url(url: str, tmp_path: Path) -> None:
    LogboomHandler(url, spool_dir=tmp_path).close()


def test_the_usual_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert handler_module._spool_folder(None) == tmp_path / "logboom" / "spool"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert handler_module._spool_folder(None) == tmp_path / ".local" / "state" / "logboom" / "spool"


HEAVY = ["grpc", "google.protobuf", "capnp", "uvloop", "typer", "rich"]
LOGGED = """
import logging, tempfile, logboom
handler = logboom.LogboomHandler(%r, spool_dir=tempfile.mkdtemp(), flush_timeout_s=0)
logging.basicConfig(handlers=[handler])
logging.warning("m", extra={"a": {"b": [1]}})
try:
    1 / 0
except ZeroDivisionError:
    logging.exception("m")
while not handler._courier.away:
    pass
handler.close()
"""
LOGGED_URLS = [
    ("http://127.0.0.1:1", [*HEAVY, "aiohttp"]),
    ("tcp://127.0.0.1:1", [*HEAVY, "aiohttp"]),
    ("ws://127.0.0.1:1", HEAVY),
    ("grpc://127.0.0.1:1", ["capnp", "uvloop", "aiohttp", "typer", "rich"]),
]
"""With what no URL but the one that needs it imports, also when records are on their way."""


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import logboom", ["msgspec", "asyncio", "grpc"]),
        ("from logboom import LogboomHandler", [*HEAVY, "aiohttp"]),
        *((f"{LOGGED % url}", absent) for url, absent in LOGGED_URLS),
    ],
)
def test_imports_stay_light(statement: str, absent: list[str]) -> None:
    script = f"import sys\n{statement}\nprint([name for name in {absent!r} if name in sys.modules])"
    outcome = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert outcome.stdout == "[]\n"
