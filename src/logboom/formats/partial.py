"""Types for partial decoding of JSON objects and journal lines: other keys are skipped."""

import re
from collections.abc import Iterable, Mapping
from keyword import iskeyword
from typing import Any, Final

import msgspec

_WORD: Final = re.compile(r"[A-Za-z][A-Za-z_]*")
_PLAIN: Final = re.compile(r'[^"\\\x00-\x1f]+')


def can_be_read(key: str) -> bool:
    """Return whether a type can have the key: msgspec accepts none that JSON would have to escape."""
    return _PLAIN.fullmatch(key) is not None


def places_of(keys: Iterable[str]) -> dict[str, str]:
    """Attribute names of the keys in a type of `fields_struct`: plain words are used unchanged."""
    return {
        key: key if _WORD.fullmatch(key) and not iskeyword(key) and key != "get" else f"f{number}"
        for number, key in enumerate(dict.fromkeys(keys))
    }


def fields_struct(keys: Iterable[str], types: Mapping[str, Any] | None = None) -> Any:
    """Make a type for objects with only the given keys; it has the method `get` of `entry_level.Fields`.

    Args:
        keys: keys for which `can_be_read` is true.
        types: types of keys that need one.
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
    """Make a type for journal lines.

    Args:
        entry: a type of `fields_struct`.
        names: other parts of the line: `received_at`, `source`, `listener`. With `received_at`, there is also `time`:
            the time of an entry that gave none itself, where it is known (`journal.device_clock`); else empty.
    """
    optional = [("time", str, "")] if "received_at" in names else []
    return msgspec.defstruct(
        "Line", [("entry", entry), *((name, str) for name in names), *optional], gc=False
    )
