"""Bearer tokens: who may write, read, administer. Only hashes are kept.

A token is 256 random bits, so one round of SHA-256 is enough: slow hashes are for what people can remember, and
2^256 attempts are impossible.
"""

import base64
import binascii
import fcntl
import hashlib
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from logboom.durable import make_folder, replace_file
from logboom.errors import ConfigError
from logboom.model import Report

SCOPES: Final = ("write", "read", "admin")
"""`write` sends entries, `read` sees them, `admin` may do both."""

PREFIX: Final = "lb_"
"""Prefix by which people and secret scanners recognise a token."""

TOKENS_MAX: Final = 1000
"""Most tokens, one per device of a large fleet; each is a line of the file."""

RELOAD_INTERVAL_S: Final = 1.0
"""Interval of checking the file for added and revoked tokens, seconds."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One token, as the file has it."""

    name: str
    sha256: str
    """SHA-256 of the token's text, hexadecimal."""
    scopes: tuple[str, ...]
    created: str


class Identity(NamedTuple):
    """Name and scopes of a token."""

    name: str
    scopes: frozenset[str]
    key: str = ""
    """The token's hash; empty where no token is asked for."""

    def may(self, scope: str) -> bool:
        """Return whether the token has `scope`."""
        return scope in self.scopes or "admin" in self.scopes


ADVICE: Final = "make one on the server's machine with `logboom token add NAME --scope read --data-dir DIR`"
"""Text for those who find that there is none yet."""

EVERYBODY: Final = Identity("", frozenset(SCOPES))
"""Identity where no token is required."""


class TokenStore:
    """The tokens of one data directory. A file that changes is read again within `RELOAD_INTERVAL_S`.

    Args:
        path: the file; need not exist.
        report: logs that the file can't be read: then the tokens that were known before stay valid.
        clock: seconds, monotonic.

    Raises:
        ConfigError: the file can't be read at the start.
    """

    def __init__(
        self,
        path: Path,
        report: Report = lambda _kind, _text: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self._report = report
        self._clock = clock
        self._looked_at = clock()
        self._version = _version_of(path)
        self._by_hash = _by_hash(read_tokens(path))
        self._generation = 0

    def __len__(self) -> int:
        """Number of tokens."""
        self._refresh()
        return len(self._by_hash)

    def identify(self, text: str) -> Identity | None:
        """Return the identity of a token; None for a wrong one, always in the same time."""
        self._refresh()
        found = self._by_hash.get(hash_of(text))
        return None if found is None else Identity(found.name, frozenset(found.scopes), found.sha256)

    @property
    def generation(self) -> int:
        """Another number when the tokens are others: then those who came in before are to be looked at again."""
        self._refresh()
        return self._generation

    def holds(self, identity: Identity) -> bool:
        """Return whether a token still exists with the same scopes."""
        found = self._by_hash.get(identity.key)
        return not identity.key or (found is not None and identity.scopes <= set(found.scopes))

    def _refresh(self) -> None:
        now = self._clock()
        if now - self._looked_at < RELOAD_INTERVAL_S:
            return
        self._looked_at = now
        version = _version_of(self.path)
        if version == self._version:
            return
        self._version = version
        try:
            self._by_hash = _by_hash(read_tokens(self.path))
            self._generation += 1
        except ConfigError as error:
            self._report("error", f"{error}; the tokens known before stay good")


def token_of(authorization: str) -> str | None:
    """Return the token in a header `Authorization`; None for a scheme that is not known.

    Args:
        authorization: `Bearer T`, `Splunk T`, `ApiKey T`, or `Basic` with the token as the password; `ApiKey` also
            takes that form.
    """
    scheme, _, value = authorization.partition(" ")
    match scheme.lower():
        case "bearer" | "splunk":
            return value.strip()
        case "basic":
            return _password(value)
        case "apikey":
            return _password(value) or value.strip()
    return None


def _password(value: str) -> str:
    """Return the part behind the colon of what base64 packs; empty: there is none."""
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def hash_of(text: str) -> str:
    """Stored data of a token."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def read_tokens(path: Path) -> list[Token]:
    """The tokens of a file; none when there is no file. Raises `ConfigError`."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Token])
    except FileNotFoundError:
        return []
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ConfigError(f"can't read the tokens in {path}: {error}") from error


def add_token(path: Path, name: str, scopes: tuple[str, ...]) -> str:
    """Make a token, store its hash, and return its text, which cannot be recovered later. Raises `ConfigError`."""
    if not _NAME.fullmatch(name):
        raise ConfigError(f"found the name {name!r}, expected up to 64 letters, digits, and . _ -")
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        raise ConfigError(f"found the scopes {', '.join(scopes)!r}, expected some of {', '.join(SCOPES)}")
    text = PREFIX + secrets.token_urlsafe(32)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    with _changing(path) as tokens:
        if any(token.name == name for token in tokens):
            raise ConfigError(f"there is a token {name!r} already: revoke it first, or take another name")
        if len(tokens) >= TOKENS_MAX:
            raise ConfigError(f"there are {TOKENS_MAX} tokens already")
        tokens.append(Token(name, hash_of(text), scopes, created))
    return text


def revoke_token(path: Path, name: str) -> None:
    """Forget a token: it is good for nothing a second later. Raises `ConfigError` when there is none."""
    with _changing(path) as tokens:
        kept = [token for token in tokens if token.name != name]
        if len(kept) == len(tokens):
            known = ", ".join(token.name for token in tokens) or "none"
            raise ConfigError(f"there is no token {name!r}; there are {known}")
        tokens[:] = kept


@contextmanager
def _changing(path: Path) -> Iterator[list[Token]]:
    """The tokens, to be changed; then they replace the file, for its owner's eyes only.

    Of two commands at once the second waits: it would bring back what the first one revoked.
    """
    try:
        make_folder(path.parent)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigError(f"can't use the folder of {path}: {error.strerror}") from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        tokens = read_tokens(path)
        yield tokens
        replace_file(path, [msgspec.json.format(msgspec.json.encode(tokens)), b"\n"], mode=0o600)
    except OSError as error:
        raise ConfigError(f"can't write the tokens to {path}: {error.strerror}") from error
    finally:
        os.close(folder)


def _by_hash(tokens: list[Token]) -> dict[str, Token]:
    return {token.sha256: token for token in tokens}


def _version_of(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except OSError:
        return (0, 0, 0)
    return (status.st_ctime_ns, status.st_size, status.st_ino)  # of a `chown` as well: then it can be read
