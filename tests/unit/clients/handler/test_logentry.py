"""Records as lines: the handler's fields, the application's, and those of structlog and loguru themselves."""

import json
import logging
import sys
from collections.abc import Callable, Iterator, MutableMapping
from contextvars import ContextVar
from typing import Any

import loguru
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from logboom.clients.handler.logentry import LINE_BYTES_MAX, Entries, Shape
from logboom.formats.times import parse_time

Entry = dict[str, Any]


class Collecting(logging.Handler):
    """A handler that keeps the entries of its records."""

    def __init__(self, shape: Shape | None = None) -> None:
        super().__init__()
        self._entries = Entries(shape or Shape())
        self.found: list[Entry] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(json.loads(self._entries.line(record, self.formatter)))

    @property
    def last(self) -> Entry:
        return self.found[-1]


@pytest.fixture
def handler() -> Iterator[Collecting]:
    found = Collecting()
    yield from attached(found)


def attached(found: Collecting) -> Iterator[Collecting]:
    logger = logging.getLogger("shop")
    logger.addHandler(found)
    logger.setLevel(1)
    logger.propagate = False
    yield found
    logger.removeHandler(found)
    logger.propagate = True


def fail() -> None:
    raise ZeroDivisionError("division, says the test")


def one_trace(entry: Entry) -> None:
    """The exception is in the entry once, and not in its message."""
    assert json.dumps(entry).count("Traceback (most recent call last)") == 1
    assert entry["stack_trace"].startswith("Traceback (most recent call last)")
    assert "ZeroDivisionError: division, says the test" in entry["stack_trace"]


LOG = logging.getLogger("shop.orders")


# extra, filters, contextvars


def test_extras_are_fields_of_any_type(handler: Collecting) -> None:
    cart = {"items": [1, 2.5, None, True], "paid": False}
    LOG.info("order %d", 7, extra={"user_id": 1 << 70, "cart": cart, "nothing": None, "kind": "äöü"})
    entry = handler.last
    assert entry["message"] == "order 7"
    assert (entry["user_id"], entry["cart"], entry["nothing"], entry["kind"]) == (1 << 70, cart, None, "äöü")


def test_the_handlers_own_fields_are_not_overwritten(handler: Collecting) -> None:
    LOG.info(
        "m", extra={"level": "loud", "timestamp": "yesterday", "hostname": 5, "ts": 1, "extra.level": "x"}
    )
    entry = handler.last
    assert (entry["level"], entry["extra.level"], entry["extra.extra.level"]) == ("INFO", "loud", "x")
    assert entry["extra.timestamp"] == "yesterday"
    assert isinstance(entry["hostname"], str)
    assert (entry["extra.hostname"], entry["extra.ts"]) == (5, 1)
    assert "ts" not in entry  # it would be read as the entry's time
    assert parse_time(entry["timestamp"]) is not None


def test_what_formatters_of_other_handlers_leave_in_a_record_is_no_extra(handler: Collecting) -> None:
    record = LOG.makeRecord("shop", 20, "a.py", 1, "m", (), None)
    logging.Formatter("%(asctime)s %(message)s").format(record)
    record.taskName = "Task-1"
    handler.handle(record)
    assert not {"asctime", "taskName"} & handler.last.keys()


def test_a_filter_can_add_what_a_context_holds(handler: Collecting) -> None:
    request_id = ContextVar("request_id", default="none")

    def add(record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True

    handler.addFilter(add)
    token = request_id.set("r-17")
    LOG.info("within")
    request_id.reset(token)
    LOG.info("without")
    assert [entry["request_id"] for entry in handler.found] == ["r-17", "none"]


def test_exception_and_stack_are_both_kept(handler: Collecting) -> None:
    try:
        fail()
    except ZeroDivisionError:
        LOG.info("m", exc_info=True, stack_info=True)
    one_trace(handler.last)
    assert "Stack (most recent call last):" in handler.last["stack_trace"]


def test_where_fields_are_fixed_extras_follow_the_message() -> None:
    for handler in attached(Collecting(Shape("shop", has_fields=False))):
        LOG.info("paid", extra={"user": 5, "who": "äöü"})
        LOG.log(25, "plain")
        logging.addLevelName(27, "AUDIT")
        LOG.log(27, "named")
        logging.addLevelName(27, "Level 27")
        assert [entry["message"] for entry in handler.found] == [
            'paid {"user":5,"who":"äöü"}',
            "plain",
            'named {"levelname":"AUDIT"}',
        ]
        assert [entry["level"] for entry in handler.found] == ["INFO", "INFO", "INFO"]
        assert set(handler.last) <= set(handler.found[0])


# bounds and trouble


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"big": "é" * 3_000_000},
        {"control": "\x00" * 1_000_000},
        {"list": ["x" * 1000] * 5000},
        {f"name{number}": "x" * 100 for number in range(100_000)},
        {"n" * 2_000_000: 1},
    ],
    ids=["none", "text", "control", "list", "many", "name"],
)
def test_a_line_is_never_too_long(handler: Collecting, extra: Entry) -> None:
    record = LOG.makeRecord("shop", 20, "a.py", 1, "m" * 3_000_000, (), None, None, extra)
    line = handler._entries.line(record, None)
    assert len(line) <= LINE_BYTES_MAX
    entry = json.loads(line)
    assert entry["message"].startswith("mmm")
    assert "more characters were cut off" in entry["message"]
    assert entry["logger_name"] == "shop"


class Unprintable:
    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


@pytest.mark.parametrize(
    ("message", "arguments", "text"),
    [
        ("%d", ("x",), "%d ('x',)"),
        (Unprintable(), (), "<Unprintable without a text: ValueError>"),
        ("%s", (Unprintable(),), "%s <tuple without a text: ValueError>"),
    ],
    ids=["format", "message", "argument"],
)
def test_a_record_without_a_text_is_rescued(
    handler: Collecting, message: object, arguments: tuple[object, ...], text: str
) -> None:
    record = LOG.makeRecord("shop", 20, "a.py", 1, message, arguments, None, None, {"user": 5})
    entry = json.loads(handler._entries.rescued_line(record))
    assert (entry["message"], entry["user"], entry["level"]) == (text, 5, "INFO")


def test_a_record_of_wrong_types_is_rescued(handler: Collecting) -> None:
    record = logging.makeLogRecord({"msg": "still here", "created": None, "name": 5})
    assert json.loads(handler._entries.rescued_line(record))["message"] == "still here"


@given(
    message=st.text(st.characters(codec=None)),
    extra=st.dictionaries(
        st.text(st.characters(codec=None), max_size=8),
        st.text(st.characters(codec=None)) | st.floats() | st.binary(),
    ),
)
def test_any_text_makes_a_line(message: str, extra: Entry) -> None:
    record = LOG.makeRecord("shop", 20, "a.py", 1, "%s", (message,), None)
    record.__dict__.update({f"x{name}": value for name, value in extra.items()})
    line = Entries(Shape()).line(record, None)
    assert b"\n" not in line
    entry = json.loads(line)
    assert entry["message"] == message.encode(errors="backslashreplace").decode()
    assert len(entry.keys() - {"message"}) >= len(extra)


# structlog

Processor = Callable[[Any, str, MutableMapping[str, Any]], Any]


def use_structlog(*last: Processor) -> Any:
    """A logger of structlog whose events end in the standard library's."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            *last,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    return structlog.get_logger("shop.events")


@pytest.fixture(autouse=True)
def _no_context() -> Iterator[None]:
    yield
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()


WRAP = structlog.stdlib.ProcessorFormatter.wrap_for_formatter
FORMATS: dict[str, list[Processor]] = {
    "json": [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()],
    "json without exceptions": [structlog.processors.JSONRenderer()],
    "keywords": [structlog.stdlib.render_to_log_kwargs],
    "no formatter": [WRAP],
}


def event(handler: Collecting, logger: Any) -> None:
    """Log an event, and an exception, and check them."""
    structlog.contextvars.bind_contextvars(request_id="r-17")
    logger.warning("order paid", order=7, items=["a", None])
    entry = handler.last
    assert (entry["message"], entry["level"], entry["logger_name"]) == (
        "order paid",
        "WARNING",
        "shop.events",
    )
    assert (entry["order"], entry["items"], entry["request_id"]) == (7, ["a", None], "r-17")
    assert not {"event", "logger", "extra.level", "extra.timestamp"} & entry.keys()  # once is enough
    assert entry["function_name"] == "event"
    try:
        fail()
    except ZeroDivisionError:
        logger.exception("it failed", order=8)
    one_trace(handler.last)
    assert (handler.last["message"], handler.last["order"]) == ("it failed", 8)


@pytest.mark.parametrize("form", FORMATS)
def test_structlog_that_ends_in_a_standard_logger(handler: Collecting, form: str) -> None:
    event(handler, use_structlog(*FORMATS[form]))


def test_structlog_with_a_processor_formatter_that_makes_json(handler: Collecting) -> None:
    form = structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        foreign_pre_chain=[structlog.contextvars.merge_contextvars, structlog.stdlib.add_log_level],
    )
    handler.setFormatter(form)
    event(handler, use_structlog(WRAP))
    LOG.info("of the %s library", "standard", extra={"user": 5})
    entry = handler.last
    assert (entry["message"], entry["request_id"], entry["user"]) == ("of the standard library", "r-17", 5)


def test_structlog_with_a_processor_formatter_that_makes_text(handler: Collecting) -> None:
    form = structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.KeyValueRenderer(key_order=["event"], drop_missing=True),
        ]
    )
    handler.setFormatter(form)
    logger = use_structlog(WRAP)
    try:
        fail()
    except ZeroDivisionError:
        logger.exception("it failed", order=8)
    assert handler.last["message"].startswith("event='it failed' order=8")
    one_trace(handler.last)


def test_a_dictionary_is_fields_and_text(handler: Collecting) -> None:
    LOG.info({"a": 1})
    LOG.info({"message": "m", "a": 1})
    assert [(entry["message"], entry["a"]) for entry in handler.found] == [("{'a': 1}", 1), ("m", 1)]


@pytest.mark.parametrize("text", ['{"a": 1}', "{not json}", '{"event": 5}', '["event"]'])
def test_other_texts_stay_as_they_are(handler: Collecting, text: str) -> None:
    assert "structlog" in sys.modules
    LOG.info(text)
    assert handler.last["message"] == text


# loguru


@pytest.fixture
def uru() -> Iterator[Any]:
    loguru.logger.remove()
    yield loguru.logger
    loguru.logger.remove()


@pytest.mark.parametrize("options", [{}, {"format": "{message}"}, {"backtrace": True, "diagnose": True}])
def test_loguru_as_a_sink(handler: Collecting, uru: Any, options: Entry) -> None:
    uru.add(handler, **options)
    uru.bind(user=5, level="x").success("order {} paid", 7)
    entry = handler.last
    assert (entry["message"], entry["level"]) == ("order 7 paid", "SUCCESS")
    assert (entry["user"], entry["extra.level"]) == (5, "x")
    assert (entry["logger_name"], entry["function_name"]) == (__name__, "test_loguru_as_a_sink")
    try:
        fail()
    except ZeroDivisionError:
        uru.exception("it failed")
    assert handler.last["message"] == "it failed"
    one_trace(handler.last)


def test_a_format_of_loguru_that_is_set_on_purpose_is_used(handler: Collecting, uru: Any) -> None:
    uru.add(handler, format="{extra[user]}: {message}")
    uru.bind(user=5).info("paid")
    try:
        fail()
    except ZeroDivisionError:
        uru.bind(user=6).exception("it failed")
    assert [entry["message"] for entry in handler.found] == ["5: paid", "6: it failed"]
    one_trace(handler.last)


def test_an_exception_of_loguru_without_a_trace(handler: Collecting, uru: Any) -> None:
    uru.add(handler)
    uru.opt(exception=ValueError("never raised")).error("odd")
    assert handler.last["message"] == "odd"
    assert handler.last["stack_trace"] == "ValueError: never raised"


def test_an_extra_of_that_name_is_not_logurus(handler: Collecting) -> None:
    LOG.info("2026-01-31 12:00:00.000 | INFO", extra={"extra": {"a": 1}})
    assert (handler.last["extra"], handler.last["message"]) == ({"a": 1}, "2026-01-31 12:00:00.000 | INFO")
