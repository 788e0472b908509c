"""Records of structlog and loguru: their message, fields and exception, found again in a `logging` record.

Neither is imported. structlog hands over a dictionary, or its text as JSON; loguru the text that it has formatted.
"""

import logging
import re
import sys
import traceback
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from logboom.clients.handler.jsonvalue import json_value, text_of

if TYPE_CHECKING:
    from types import FrameType

_MESSAGE_KEYS: Final = ("event", "message", "msg")
_INTERNAL: Final = ("_record", "_from_structlog")
_LOGURU: Final = "loguru."
_FRAMES_MAX: Final = 6
"""Frames that are searched for one of loguru."""
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}")
_TRACEBACK: Final = re.compile(
    r"^(?:  \+ Exception Group )?Traceback \(most recent call last\):$", re.MULTILINE
)

_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class Content(NamedTuple):
    """The part of a record that is not about its origin."""

    message: str
    fields: dict[str, Any]
    """JSON values that the application has added."""
    trace: str
    """The exception and the stack; empty: neither."""


def event_in(text: str, *, formatted: bool) -> dict[str, Any] | None:
    """The fields of a text that is a JSON object with a message; None: it is none.

    Args:
        text: of the message.
        formatted: a formatter made it. If not, it is only looked at where structlog is in use, for its `event`.
    """
    if not text.startswith("{") or not (formatted or "structlog" in sys.modules):
        return None
    try:
        fields = _decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    keys = _MESSAGE_KEYS if formatted else _MESSAGE_KEYS[:1]
    return fields if any(isinstance(fields.get(key), str) for key in keys) else None


def structlog_content(event: dict[Any, Any], extras: dict[str, Any], trace: str) -> Content:
    """A dictionary of fields that was logged in the place of a message."""
    fields = {text_of(key): value for key, value in event.items()}
    key = next((key for key in _MESSAGE_KEYS if isinstance(fields.get(key), str)), "")
    message = fields.pop(key) if key else text_of(event)
    traces = [trace] if trace else []
    found = [_exception_of(fields.pop("exc_info", None)), *_take_texts(fields, "exception", "stack")]
    traces += [one for one in found if one and one not in trace]  # the record mostly has it as well
    for name in _INTERNAL:
        fields.pop(name, None)
    own = {name: json_value(value) for name, value in fields.items()}
    return Content(message, {**extras, **own}, "\n".join(traces))


def _take_texts(fields: dict[str, Any], *names: str) -> list[str]:
    """Take fields out that are texts."""
    return [fields.pop(name) for name in names if isinstance(fields.get(name), str)]


def _exception_of(exc_info: object) -> str:
    """The trace of what stands for an exception: itself, its three parts, or True for the present one."""
    if isinstance(exc_info, BaseException):
        exc_info = (type(exc_info), exc_info, exc_info.__traceback__)
    elif exc_info and not isinstance(exc_info, tuple):
        exc_info = sys.exc_info()
    if not isinstance(exc_info, tuple) or len(exc_info) != 3 or exc_info[0] is None:
        return ""
    return "".join(traceback.format_exception(*exc_info)).rstrip("\n")


def loguru_content(record: logging.LogRecord, extras: dict[str, Any]) -> Content | None:
    """The content of a record of loguru, without the columns of its default format; None: it is not loguru's."""
    bound = extras.get("extra")
    if not isinstance(bound, dict) or not _comes_from_loguru():
        return None
    fields = {**bound, **{name: value for name, value in extras.items() if name != "extra"}}
    text = record.getMessage()
    columns = f" | {record.levelname: <8} | {record.name}:{record.funcName}:{record.lineno} - "
    start = _TIME.match(text)
    if start is not None and text.startswith(columns, start.end()):
        text = text[start.end() + len(columns) :]
    message, trace = _split_trace(text, record) if record.exc_info else (text, "")
    return Content(message, fields, trace)


def _comes_from_loguru() -> bool:
    if "loguru" not in sys.modules:
        return False
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - traceback.walk_stack() has no end before the first
    for _ in range(_FRAMES_MAX):
        if frame is None:
            return False
        if frame.f_globals.get("__name__", "").startswith(_LOGURU):
            return True
        frame = frame.f_back
    return False


def _split_trace(text: str, record: logging.LogRecord) -> tuple[str, str]:
    """A text that ends with an exception, cut in two. What can't be found in it is taken from the record."""
    found = _TRACEBACK.search(text)
    if found is not None:
        return text[: found.start()].removesuffix("\n"), text[found.start() :].rstrip("\n")
    trace = _exception_of(record.exc_info)
    return text.rstrip("\n").removesuffix(trace).removesuffix("\n"), trace
