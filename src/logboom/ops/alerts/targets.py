"""Sending one message to one target, with Apprise. Slow to import: only for those who have something to send."""

import logging
import threading
import warnings
from typing import Any, Final

from logboom.ops.alerts.messages import Message
from logboom.ops.alerts.names import without_secrets

REASON_CHARS_MAX: Final = 200
"""Of what Apprise has to say about a failure."""

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of other people's old code, at import
    import apprise

_logger: Final = logging.getLogger("apprise")
_logger.propagate = False  # our stderr is the operational log's


class _Reasons(logging.Handler):
    """Keeps what Apprise warns of on this thread: it tells nobody else why a message was not taken."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread = threading.get_ident()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        if record.thread == self._thread:
            self.texts.append(record.getMessage())


def _instantiate(url: str) -> Any:
    """Apprise's object for a URL; None: it knows none. Each scheme is loaded when it is met first."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return apprise.Apprise.instantiate(url)


def is_known(url: str) -> bool:
    """Whether there is such a target."""
    reasons = _Reasons()
    _logger.addHandler(reasons)  # else it would go to stderr
    try:
        return _instantiate(url) is not None
    finally:
        _logger.removeHandler(reasons)


def send(url: str, message: Message) -> str | None:
    """Send a message, waiting for the answer for as long as Apprise does: some seconds.

    Returns:
        Why it was not taken, without secrets; None: it was.
    """
    reasons = _Reasons()
    _logger.addHandler(reasons)
    try:
        target = _instantiate(url)
        if target is None:
            return "Apprise knows no such target, or a part is missing"
        taken = target.notify(body=message.body, title=message.title, notify_type=message.kind)
    except Exception as error:  # noqa: BLE001 - a plug-in's fault is no reason to stop
        reasons.texts.append(f"{type(error).__name__}: {error}")
        taken = False
    finally:
        _logger.removeHandler(reasons)
    if taken:
        return None
    reason = " ".join(" ".join(reasons.texts).split()) or "it gave no reason"
    return without_secrets(reason, url)[:REASON_CHARS_MAX]
