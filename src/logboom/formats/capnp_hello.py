"""`HelloMsg`, the first, unpacked message of newer Cap'n Proto clients. Contract: docs/contracts/capnp.md."""

from typing import Final

from logboom.formats.capnp_schemas import NESTING_MAX, explain, schemas, words_max

HELLO_START: Final = bytes(4)
"""Start of an unpacked message of one segment, which a packed LoggerMsg never has."""

NAME_CHARACTERS_MAX: Final = 64
"""Longest part of an identity, which is in every journal line of its connection."""


class BadHelloError(ValueError):
    """The message can't be read; the text has the reason."""


def identity(message: bytes) -> str:
    """Return the identity of a client: `fromName@fromHost` with the parts that it sent; may be empty.

    Raises:
        BadHelloError: this is not a HelloMsg.
    """
    try:
        with schemas().logger.HelloMsg.from_bytes(message, words_max(len(message)), NESTING_MAX) as hello:
            name, host, address = str(hello.fromName), str(hello.fromHost), str(hello.fromAddress)
    except Exception as error:  # noqa: BLE001 - pycapnp has many error types, and a peer's bytes must become a verdict
        raise BadHelloError(f"malformed HelloMsg of {len(message)} bytes: {explain(error)}") from None
    return "@".join(part for part in (_clean(name), _clean(host) or _clean(address)) if part)


def _clean(word: str) -> str:
    """Make a name suitable for log lines and columns: no control characters, no blanks, of limited length."""
    kept = "".join(letter if letter.isprintable() else " " for letter in word[: 4 * NAME_CHARACTERS_MAX])
    return "_".join(kept.split())[:NAME_CHARACTERS_MAX]
