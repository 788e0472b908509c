"""Sending of one notification with Apprise. Slow to import, so it is imported only when needed."""

import logging
import threading
import warnings
from typing import Any, Final

from logboom.ops.alerts.names import without_secrets
from logboom.ops.alerts.notification import Message

REASON_CHARS_MAX: Final = 200
"""Longest reason of a failure."""

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # deprecations in the library
    import apprise

_logger: Final = logging.getLogger("apprise")
_logger.propagate = False  # stderr is for the operational log


class _Reasons(logging.Handler):
    """Handler that collects Apprise's warnings on this thread, which have the reasons of failures."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread = threading.get_ident()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        if record.thread == self._thread:
            self.texts.append(record.getMessage())


def _instantiate(url: str) -> Any:
    """Make Apprise's object for a URL; None if it is not supported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return apprise.Apprise.instantiate(url)


def is_known(url: str) -> bool:
    """Return whether Apprise supports the URL of a target."""
    reasons = _Reasons()
    _logger.addHandler(reasons)  # without it, warnings would go to stderr
    try:
        return _instantiate(url) is not None
    finally:
        _logger.removeHandler(reasons)


def send(url: str, message: Message) -> str | None:
    """Send a message, and wait for the answer, which may take some seconds.

    Returns:
        The reason of a failure, without secrets; None after a success.
    """
    reasons = _Reasons()
    _logger.addHandler(reasons)
    try:
        target = _instantiate(url)
        if target is None:
            return "Apprise does not support this target, or a part is missing"
        taken = target.notify(body=message.body, title=message.title, notify_type=message.kind)
    except Exception as error:  # noqa: BLE001 - an error of a plug-in is a failure to send
        reasons.texts.append(f"{type(error).__name__}: {error}")
        taken = False
    finally:
        _logger.removeHandler(reasons)
    if taken:
        return None
    reason = " ".join(" ".join(reasons.texts).split()) or "it gave no reason"
    return without_secrets(reason, url)[:REASON_CHARS_MAX]
