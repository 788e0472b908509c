"""Our Cap'n Proto schemas, loaded with pycapnp: the one place that imports it.

That waits for the first message (10 ms), so that servers and commands without Cap'n Proto never pay for it.
pycapnp is compiled and has no types: its objects are `Any` here, and nowhere else.
"""

from functools import cache
from importlib import resources
from typing import Any, Final, NamedTuple

NESTING_MAX: Final = 4
"""Pointer depth; the schemas need two."""


class Schemas(NamedTuple):
    """The loaded files. They own the memory that their structs point to: hold on to these, not to structs."""

    logger: Any
    """`LoggerMsg` and `HelloMsg`, as clients know them."""
    reader: Any
    """`LoggerText` and `LoggerBytes`, as the server reads `LoggerMsg`."""


@cache
def schemas() -> Schemas:
    """Load the files, once."""
    import capnp  # type: ignore[import-untyped]  # noqa: PLC0415 - see above

    parser = capnp.SchemaParser()  # our own: a client's process may have loaded a copy of the same file
    return Schemas(_load(parser, "logger.capnp"), _load(parser, "logger_reader.capnp"))


def _load(parser: Any, name: str) -> Any:
    with resources.as_file(resources.files("logboom.schemas").joinpath(name)) as path:
        return parser.load(str(path))


def words_max(size_bytes: int) -> int:
    """Words (of 8 bytes) that a message of so many packed bytes may hold, or make its reader walk over.

    Packing shortens zeros only, and those of an honest message are in its pointers and paddings, 256 bytes
    at most. What unpacks to more than four times its size is made to cost memory.
    """
    return (size_bytes >> 1) + WORDS_SPARE


WORDS_SPARE: Final = 64
"""Room for the pointers and paddings of a short message."""


def explain(error: Exception) -> str:
    """The cause that an exception of pycapnp names, without its addresses and file names."""
    text = str(getattr(error, "description", None) or error)
    return text.partition("\n")[0].rpartition("; ")[2].strip()[:200] or type(error).__name__
