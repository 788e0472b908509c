"""Names of notification targets in logs and documents, without secrets."""

import hashlib
import re
from typing import Final
from urllib.parse import unquote

HOSTED: Final = frozenset(
    scheme + ending
    for scheme in ("json", "xml", "form", "mailto", "gotify", "mqtt", "mmost", "hassio")
    for ending in ("", "s")
)
"""Schemes whose URLs have a host as usual. In others it may be a token: slack, tgram, discord."""

SECRET_CHARS_MIN: Final = 4
"""Shortest part of a URL that is hidden. Shorter parts are words such as `x` or `to`, which occur in any text."""

HIDDEN: Final = "…"

ID_CHARS: Final = 16
"""Length of the id of a target: 64 bits, which no two of some dozen targets share by chance."""


def target_names(urls: list[str]) -> list[str]:
    """Make one name per URL: `json://localhost:9`, `slack://…`; equal names are numbered."""
    names = [_name(url) for url in urls]
    return [
        f"{name} #{names[: number + 1].count(name)}" if names.count(name) > 1 else name
        for number, name in enumerate(names)
    ]


def target_id(url: str) -> str:
    """Return the id of a target, which depends on its URL only: the begin of its SHA-256, hexadecimal."""
    return hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()[:ID_CHARS]


def _name(url: str) -> str:
    scheme, _, rest = url.partition("://")
    scheme = scheme.lower()
    place = re.split(r"[/?#]", rest, maxsplit=1)[0]
    host = place.rpartition("@")[2]
    if scheme not in HOSTED or not re.fullmatch(r"[A-Za-z0-9.\-\[\]:]+", host):
        return f"{scheme}://{HIDDEN}"
    return f"{scheme}://{host}"


def without_secrets(text: str, url: str) -> str:
    """Hide every part of a URL in `text` that may be a secret, plain or percent-encoded."""
    scheme, _, rest = url.partition("://")
    host = _name(url).removeprefix(f"{scheme.lower()}://")
    parts = {part for piece in (rest, unquote(rest)) for part in re.split(r"[/?#&=@:,; ]", piece)}
    for part in sorted(parts | {rest}, key=len, reverse=True):
        if len(part) >= SECRET_CHARS_MIN and part not in host:
            text = text.replace(part, HIDDEN)
    return text
