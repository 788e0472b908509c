"""Fields of entries by their path: `a.b` is the key b in a, or the key `a.b`; names in any case."""

from collections.abc import Callable, Iterator
from typing import Any

from logboom.query.filter.text_words import fold


def value_at(entry: dict[str, Any], path: str) -> Any:
    """The value at a path; None where there is none."""
    value = _value_of(entry, path)
    if value is not None:
        return value
    for outer, inner in splits_of(path):
        nested = _value_of(entry, outer)
        if isinstance(nested, dict):
            value = value_at(nested, inner)
            if value is not None:
                return value
    return None


def keys_of(path: str) -> list[str]:
    """The keys of an entry that may hold a path or the beginning of it."""
    return [path, *(outer for outer, _ in splits_of(path))]


def splits_of(path: str) -> Iterator[tuple[str, str]]:
    """Each way to take a path apart at a dot."""
    place = path.find(".")
    while place >= 0:
        if 0 < place < len(path) - 1:
            yield path[:place], path[place + 1 :]
        place = path.find(".", place + 1)


def any_value_at(value: Any, path: str, passes: Callable[[Any], bool]) -> bool:
    """Return whether an object at any depth has a value at a path that passes."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            if _has(one, path, passes):
                return True
            left += one.values()
        elif isinstance(one, list):
            left += one
    return False


def _has(entry: dict[str, Any], path: str, passes: Callable[[Any], bool]) -> bool:
    folded = fold(path)
    if any(passes(value) for key, value in entry.items() if fold(key) == folded):
        return True
    for outer, inner in splits_of(folded):
        for key, nested in entry.items():
            if isinstance(nested, dict) and fold(key) == outer and _has(nested, inner, passes):
                return True
    return False


def _value_of(entry: dict[str, Any], key: str) -> Any:
    value = entry.get(key)
    if value is not None:
        return value
    folded = fold(key)
    return next((one for name, one in entry.items() if one is not None and fold(name) == folded), None)
