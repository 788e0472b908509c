"""The package's Cap'n Proto schemas, loaded with pycapnp; the only module that imports it.

The import (10 ms) waits for the first message, so that servers and commands without Cap'n Proto avoid it. pycapnp is
compiled and has no types: its objects are `Any`.
"""

from functools import cache
from importlib import resources
from typing import Any, Final, NamedTuple

NESTING_MAX: Final = 4
"""Most levels of pointers; the schemas need two."""


class Schemas(NamedTuple):
    """The loaded files. They own the memory of their structs, so references to the files must be kept."""

    logger: Any
    """`LoggerMsg` and `HelloMsg`, as in the clients."""
    reader: Any
    """`LoggerText` and `LoggerBytes`, as the server reads `LoggerMsg`."""


@cache
def schemas() -> Schemas:
    """Load the files; cached."""
    import capnp  # type: ignore[import-untyped]  # noqa: PLC0415 - see above

    parser = (
        capnp.SchemaParser()
    )  # a separate parser: a client's process may have loaded a copy of the same file
    return Schemas(_load(parser, "logger.capnp"), _load(parser, "logger_reader.capnp"))


def _load(parser: Any, name: str) -> Any:
    with resources.as_file(resources.files("logboom.schemas").joinpath(name)) as path:
        return parser.load(str(path))


def words_max(size_bytes: int) -> int:
    """Limit for the words (of 8 bytes) that a message of `size_bytes` packed bytes may unpack to, and for traversal.

    Packing shortens zeros only, and those of a normal message are in its pointers and paddings, at most 256
    bytes. A message that unpacks to more than four times its size is an attempt to exhaust memory.
    """
    return (size_bytes >> 1) + WORDS_SPARE


WORDS_SPARE: Final = 64
"""Words for the pointers and paddings of a short message."""


def explain(error: Exception) -> str:
    """Reason in an exception of pycapnp, without its addresses and file names."""
    text = str(getattr(error, "description", None) or error)
    return text.partition("\n")[0].rpartition("; ")[2].strip()[:200] or type(error).__name__
