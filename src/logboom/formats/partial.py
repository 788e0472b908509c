"""Types for JSON objects of which only some keys count, and for journal lines with them: decoding skips all else."""

import re
from collections.abc import Iterable, Mapping
from keyword import iskeyword
from typing import Any, Final

import msgspec

_WORD: Final = re.compile(r"[A-Za-z][A-Za-z_]*")
_PLAIN: Final = re.compile(r'[^"\\\x00-\x1f]+')


def can_be_read(key: str) -> bool:
    """Whether a type can have the key: msgspec takes none that JSON would have to escape."""
    return _PLAIN.fullmatch(key) is not None


def places_of(keys: Iterable[str]) -> dict[str, str]:
    """The attribute of each key in a type of `fields_struct`: plain words are their own."""
    return {
        key: key if _WORD.fullmatch(key) and not iskeyword(key) and key != "get" else f"f{number}"
        for number, key in enumerate(dict.fromkeys(keys))
    }


def fields_struct(keys: Iterable[str], types: Mapping[str, Any] | None = None) -> Any:
    """A type for objects of which only some keys count; it has `get`, as `records.Fields` wants.

    Args:
        keys: texts that `can_be_read`.
        types: of those keys that need one.
    """
    places = places_of(keys)

    def get(self: msgspec.Struct, key: str, /) -> Any:
        place = places.get(key)
        return None if place is None else getattr(self, place)

    return msgspec.defstruct(
        "Fields",
        [(place, (types or {}).get(key, Any), None) for key, place in places.items()],
        rename={place: key for key, place in places.items()},
        namespace={"get": get},
        gc=False,
    )


def line_struct(entry: Any, *names: str) -> type[msgspec.Struct]:
    """A type for journal lines.

    Args:
        entry: a type of `fields_struct`.
        names: what else of the line counts: `received_at`, `source`, `listener`.
    """
    return msgspec.defstruct("Line", [("entry", entry), *((name, str) for name in names)], gc=False)
