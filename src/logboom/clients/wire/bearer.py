"""The token that a client shows to servers that ask for one: where it comes from, how each protocol carries it.

It stands in the URL as the password (`ws://any:TOKEN@host`), or in a `Trust`. No text for people ever holds it.
"""

import base64
import ipaddress
import re
from dataclasses import replace
from typing import Final
from urllib.parse import unquote, urlsplit

from logboom.clients.wire.dialect import ConnectFailedError
from logboom.clients.wire.tls_trust import SECURE_SCHEMES, Trust
from logboom.errors import ConfigError
from logboom.formats.redaction import HIDDEN, redacted_url
from logboom.framing.tokenline import LINE_BYTES_MAX, WORD

TOKEN_CHARS_MAX: Final = LINE_BYTES_MAX - len(WORD)
"""What fits into the line that opens a TCP connection; Logboom's own have 46."""

ASKED: Final = "it may ask for a token (LOGBOOM_TOKEN, or --token)"
DOUBTED: Final = "the token may be wrong or revoked, or has not the scope write"

_TOKEN: Final = re.compile(rf"[!-~]{{1,{TOKEN_CHARS_MAX}}}")
_AUTHORITY_END: Final = re.compile(r"[/?#]")


class TokenRefusedError(ConnectFailedError):
    """The server says that it wants a token, or another one: trying again is of no use."""


def take_token(url: str, trust: Trust) -> tuple[str, Trust]:
    """Move the token from a URL to the trust, where it wins over one that is there: it is for this very server.

    Returns:
        The URL, which may be shown then, and the trust.

    Raises:
        ConfigError: the token can't be sent as it is, or nobody can tell where in the URL it ends.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url
    authority = _AUTHORITY_END.split(rest, maxsplit=1)[0]
    userinfo, at, place = authority.rpartition("@")
    if not at:
        if "@" in rest:
            raise ConfigError(
                f"{shown_url(url)!r}: in the token of a URL, write / as %2F, ? as %3F and # as %23"
            )
        return url, _checked(trust)
    user, _, token = userinfo.partition(":")
    if not token:
        raise ConfigError(f"{shown_url(url)!r}: a token stands in a URL as the password, any:TOKEN@HOST")
    bare = f"{scheme}{separator}{place}{rest[len(authority) :]}"
    return bare, _checked(replace(trust, token=unquote(token), user=unquote(user)))


def _checked(trust: Trust) -> Trust:
    """Never shows what it refuses: that is a secret, if perhaps a misspelled one."""
    if trust.token and not _TOKEN.fullmatch(trust.token):
        raise ConfigError(
            f"the token has blanks or other characters that no token has, or more than {TOKEN_CHARS_MAX}"
        )
    return trust


def shown_url(url: str) -> str:
    """A URL for people, whatever is wrong with it: without what stands before its last @, and secret parameters."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url
    _, at, place = rest.rpartition("@")
    return redacted_url(f"{scheme}{separator}{HIDDEN}@{place}" if at else url)


def http_headers(trust: Trust) -> dict[str, str]:
    """What HTTP requests show. A name and password of a URL go as `Basic`, which proxies know as well."""
    if not trust.token:
        return {}
    if trust.user:
        pair = base64.b64encode(f"{trust.user}:{trust.token}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}
    return {"Authorization": f"Bearer {trust.token}"}


def metadata(trust: Trust) -> tuple[tuple[str, str], ...]:
    """What gRPC calls show."""
    return (("authorization", f"Bearer {trust.token}"),) if trust.token else ()


def opening_line(trust: Trust) -> bytes:
    """What TCP connections begin with."""
    return b"%b%b\n" % (WORD, trust.token.encode("ascii")) if trust.token else b""


def http_refusal(status: int, trust: Trust) -> str:
    """What 401 and 403 mean to a user."""
    if status == 403:
        return "the server refuses (403): the token has not the scope for this"
    return _unknown(trust, "401")


def grpc_refusal(code: str, trust: Trust) -> str:
    """What UNAUTHENTICATED and PERMISSION_DENIED mean to a user."""
    if code == "PERMISSION_DENIED":
        return "the server refuses (PERMISSION_DENIED): the token has not the scope write"
    return _unknown(trust, code)


def _unknown(trust: Trust, code: str) -> str:
    if trust.token:
        return f"the server does not know the token ({code}): it is wrong or revoked"
    return f"the server asks for a token ({code}): set LOGBOOM_TOKEN, or give --token"


def exposure(url: str, trust: Trust) -> str:
    """A warning that a token would travel where others can read it; empty: it does not."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    host = parts.hostname or ""
    if not trust.token or parts.scheme in SECURE_SCHEMES or _is_loopback(host):
        return ""
    return (
        f"the token goes to {host} unencrypted, and whoever is on the way can read it; encrypted are "
        "tcps://, capnps://, grpcs://, wss:// and https://"
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
