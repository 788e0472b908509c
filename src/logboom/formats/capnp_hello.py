"""`HelloMsg`, the unpacked message that newer Cap'n Proto clients start with. Contract: docs/contracts/capnp.md."""

from typing import Final

from logboom.formats.capnp_schemas import NESTING_MAX, explain, schemas, words_max

HELLO_START: Final = bytes(4)
"""An unpacked message of one segment starts so; a packed LoggerMsg never does."""

NAME_CHARACTERS_MAX: Final = 64
"""Of each part of an identity: it stands in every journal line of its connection."""


class BadHelloError(ValueError):
    """The message can't be read; the text says why."""


def identity(message: bytes) -> str:
    """Who a client says it is: `fromName@fromHost`, as far as it says so; empty when it does not.

    Raises:
        BadHelloError: this is no HelloMsg.
    """
    try:
        with schemas().logger.HelloMsg.from_bytes(message, words_max(len(message)), NESTING_MAX) as hello:
            name, host, address = str(hello.fromName), str(hello.fromHost), str(hello.fromAddress)
    except Exception as error:  # noqa: BLE001 - pycapnp has many, and a peer's bytes must become a verdict
        raise BadHelloError(f"malformed HelloMsg of {len(message)} bytes: {explain(error)}") from None
    return "@".join(part for part in (_clean(name), _clean(host) or _clean(address)) if part)


def _clean(word: str) -> str:
    """A name fit for log lines and columns: no control characters, no blanks inside, bounded."""
    kept = "".join(letter if letter.isprintable() else " " for letter in word[: 4 * NAME_CHARACTERS_MAX])
    return "_".join(kept.split())[:NAME_CHARACTERS_MAX]
