"""Settings without their secrets, for whatever a person may show around."""

import re
from typing import Any, Final
from urllib.parse import urlsplit

HIDDEN: Final = "***"
SECRET_KEYS: Final = frozenset({"token", "password", "secret"})
NOTIFY_KEYS: Final = frozenset({"notify"})
"""Lists of addresses that are secrets from end to end: whoever knows them can write there."""

_USERINFO: Final = re.compile(r"^(\s*[A-Za-z][A-Za-z0-9+.-]*://).*@", re.DOTALL)
"""Up to the last @: a password that was not escaped may hold anything, also what ends a host."""
_SECRET_PARAMETER: Final = re.compile(
    r"([?&][^=&]*(?:password|token|secret|api_?key|signature)=)[^&]*", re.IGNORECASE
)


def redacted(value: Any, key: str = "") -> Any:
    """A copy of settings in which secrets are `***`. Empty ones stay empty: that nothing is set is no secret."""
    if isinstance(value, dict):
        return {name: redacted(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [redacted(inner, key) for inner in value]
    if key.lower() in SECRET_KEYS:
        return HIDDEN if value not in ("", None) else value  # also a password of digits
    if not isinstance(value, str) or not value:
        return value
    if key in NOTIFY_KEYS:
        return f"{value.partition('://')[0]}://{HIDDEN}"
    return redacted_url(value)


def place(url: str) -> str:
    """Where `url` leads to, for texts that people see: without user, password, token and query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "the server of `url`"
    if "@" in parts.path + parts.query + parts.fragment:  # a password that was not escaped may end anywhere
        return "the server of `url`"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def redacted_url(text: str) -> str:
    """A URL without its user, password and secret parameters; other texts as they are."""
    if "://" not in text:
        return text
    return _SECRET_PARAMETER.sub(rf"\1{HIDDEN}", _USERINFO.sub(rf"\1{HIDDEN}@", text))
