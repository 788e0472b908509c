"""The handshake of Fluent Forward: both sides prove that they know the shared key, without sending it.

Source: https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1.
"""

from collections.abc import Mapping
from hashlib import sha512
from hmac import compare_digest
from typing import Any

import msgspec

_encode = msgspec.msgpack.Encoder().encode
PING_FIELDS = 6


class Handshake:
    """One connection's handshake.

    Args:
        shared_key: of server and clients.
        users: password per user; empty: no user is asked for.
        hostname: the server's name for itself.
        nonce: 16 random bytes.
        salt: 16 more of them, for passwords.
    """

    def __init__(
        self, shared_key: str, users: Mapping[str, str], hostname: str, nonce: bytes, salt: bytes
    ) -> None:
        self._key = shared_key.encode()
        self._users = users
        self._hostname = hostname
        self._nonce = nonce
        self._salt = salt if users else b""

    def hello(self) -> bytes:
        """Return the server's first message."""
        return _encode(["HELO", {"nonce": self._nonce, "auth": self._salt, "keepalive": True}])

    def answer(self, ping: list[Any]) -> tuple[bytes, str]:
        """Return the reply to the client's first message, and the reason of a refusal, or an empty one."""
        if len(ping) != PING_FIELDS or _bytes(ping[0]) != b"PING":
            return b"", "a client without the shared key: it sent no PING"
        _, hostname, salt, digest, user, password = map(_bytes, ping)
        reason = self._refusal(hostname, salt, digest, user, password)
        if reason:
            return _encode(["PONG", False, reason, "", ""]), reason
        own = self._digest(salt, self._hostname.encode())
        return _encode(["PONG", True, "", self._hostname, own]), ""

    def _refusal(self, hostname: bytes, salt: bytes, digest: bytes, user: bytes, password: bytes) -> str:
        if not compare_digest(self._digest(salt, hostname).encode(), digest):
            return "shared key mismatch"
        if not self._users:
            return ""
        known = self._users.get(user.decode(errors="replace"))
        expected = sha512(self._salt + user + (known or "").encode()).hexdigest()
        if not compare_digest(expected.encode(), password) or known is None:
            return "username/password mismatch"
        return ""

    def _digest(self, salt: bytes, hostname: bytes) -> str:
        return sha512(salt + hostname + self._nonce + self._key).hexdigest()


def _bytes(value: Any) -> bytes:
    """Return text or binary data as bytes; clients send the salt as either."""
    if isinstance(value, str):
        return value.encode()
    return value if isinstance(value, bytes) else b""


def ping(hello: Any, key: str, hostname: str, salt: bytes) -> bytes:
    """Return the client's first message, which answers the server's.

    Raises:
        TypeError, ValueError, LookupError: `hello` is no such message.
    """
    word, options = hello
    if _bytes(word) != b"HELO" or options.get("auth"):
        raise ValueError("the server asks for a user")
    digest = sha512(salt + hostname.encode() + _bytes(options["nonce"]) + key.encode()).hexdigest()
    return _encode(["PING", hostname, salt, digest, "", ""])


def refusal_in_pong(pong: Any, hello: Any, key: str, salt: bytes) -> str:
    """Return the server's reason for a refusal; empty when it knows the key, too.

    Raises:
        TypeError, ValueError, LookupError: `pong` is no such message.
    """
    word, accepted, reason, hostname, digest = pong
    if _bytes(word) != b"PONG":
        raise ValueError("not a PONG")
    if not accepted:
        return str(reason)
    own = sha512(salt + _bytes(hostname) + _bytes(hello[1]["nonce"]) + key.encode()).hexdigest()
    return "" if compare_digest(own.encode(), _bytes(digest)) else "the server does not know it"
