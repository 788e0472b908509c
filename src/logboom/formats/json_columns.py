"""Fields of many objects of one sender, by column: objects with the same keys are handled together.

The values of JSON objects stay as they were sent. That they are texts is checked by a decoder, not one by one.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import repeat
from operator import attrgetter
from typing import Annotated, Any, Final, NamedTuple, TypeVar

import msgspec
from msgspec import Meta

Fields = dict[str, msgspec.Raw]
T = TypeVar("T")

CHECKS_MAX: Final = 64
"""Combinations of keys whose decoders are kept: few senders have more than one, and a decoder takes some 2 KiB."""

_Text = Annotated[str, Meta(min_length=1)]
_FAILURES: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Columns(NamedTuple):
    """Values of some keys."""

    raw: list[list[msgspec.Raw]]
    """One list per key: the values as they were sent."""
    texts: Callable[[int], list[str]]
    """Returns the values of the key with this index, decoded."""


def by_shape(
    make: Callable[..., Iterable[T]], objects: Sequence[dict[str, Any]], *others: Sequence[Any]
) -> list[T]:
    """Return what is made of objects, in their order, with one call for all that have the same keys.

    Args:
        make: called with the keys, as they stand in the objects, the objects that have them, and their part of each
            of `others`; returns one result per object.
        objects: the objects.
        others: sequences with one item per object.
    """
    kinds = list(map(tuple, objects))
    if kinds and kinds.count(kinds[0]) == len(kinds):
        return list(make(kinds[0], objects, *others))
    places: dict[tuple[str, ...], list[int]] = {}
    for place, keys in enumerate(kinds):
        places.setdefault(keys, []).append(place)
    found: dict[int, T] = {}
    for keys, own in places.items():
        parts = [[one[place] for place in own] for one in (objects, *others)]
        found.update(zip(own, make(keys, *parts), strict=True))
    return [found[place] for place in range(len(kinds))]


def take_columns(
    documents: Sequence[bytes | msgspec.Raw], objects: Sequence[Fields], keys: tuple[str, ...]
) -> Columns | None:
    """Remove some keys from objects, and return their values; None, and nothing is removed: not all are texts.

    Args:
        documents: JSON of the objects.
        objects: have all of `keys`.
        keys: of values that must be texts of at least one character.
    """
    try:
        checked = _check_of(keys)(b"[" + b",".join(documents) + b"]")
    except _FAILURES:
        return None
    if len(checked) != len(objects):
        return None
    raw = [list(map(dict.pop, objects, repeat(key))) for key in keys]
    return Columns(raw, lambda index: list(map(attrgetter(f"f{index}"), checked)))


@lru_cache(CHECKS_MAX)
def _check_of(keys: tuple[str, ...]) -> Callable[[bytes], list[Any]]:
    fields = [(f"f{index}", _Text, msgspec.field(name=key)) for index, key in enumerate(keys)]
    kind = msgspec.defstruct("Texts", fields, gc=False)
    return msgspec.json.Decoder(list[kind]).decode  # type: ignore[valid-type]
