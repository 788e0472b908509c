"""Redaction of secrets in settings, for output that may be shared."""

import re
from typing import Any, Final
from urllib.parse import urlsplit

HIDDEN: Final = "***"
SECRET_KEYS: Final = frozenset({"token", "password", "secret"})
NOTIFY_KEYS: Final = frozenset({"notify", "targets"})
"""Keys of URLs that are secrets as a whole, as knowledge of them allows writing."""

_USERINFO: Final = re.compile(r"^(\s*[A-Za-z][A-Za-z0-9+.-]*://).*@", re.DOTALL)
"""The part up to the last @: a password that was not escaped may contain any character."""
_SECRET_PARAMETER: Final = re.compile(
    r"([?&#;][^=&#;]*(?:pass|token|secret|key|sig|auth|credential|pwd)[^=&#;]*=)[^&#;]*", re.IGNORECASE
)
_PATH_SCHEMES: Final = frozenset({"file", "postgres", "postgresql", "redis", "rediss", "unix"})
"""Schemes whose paths are a database, a number or a file. In others a path may be a secret, as in webhooks."""
_HOST_SCHEMES: Final = _PATH_SCHEMES | {
    *("http", "https", "ws", "wss", "tcp", "tcps", "tls", "grpc", "grpcs", "capnp", "capnps"),
}
"""Schemes with a host after the `//`. In others it may be a token, as in notification services."""
_BEHIND_HOST: Final = re.compile(r"^(\s*([A-Za-z][A-Za-z0-9+.-]*)://[^/?#]*)([/?#].*)?$", re.DOTALL)


def redacted(value: Any, key: str = "") -> Any:
    """Copy settings with secrets replaced by `***`. Empty ones stay empty."""
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
    """Target of `url` for log and error texts: without user, password, token, query and secret paths."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "the server of `url`"
    if "@" in parts.path + parts.query + parts.fragment:  # a password that was not escaped may end anywhere
        return "the server of `url`"
    path = parts.path if parts.scheme in _PATH_SCHEMES else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}"


def redacted_url(text: str) -> str:
    """Redact user, password, secret parameters, and possibly secret paths of a URL; other texts are not changed."""
    if "://" not in text:
        return text
    bare = _USERINFO.sub(rf"\1{HIDDEN}@", text)
    parts = _BEHIND_HOST.match(bare)
    scheme = parts[2].lower() if parts is not None else ""
    if parts is not None and scheme not in _HOST_SCHEMES:
        return f"{parts[2]}://{HIDDEN}"
    if parts is not None and scheme not in _PATH_SCHEMES:
        return bare if parts[3] in (None, "/") else f"{parts[1]}/{HIDDEN}"
    return _SECRET_PARAMETER.sub(rf"\1{HIDDEN}", bare)
