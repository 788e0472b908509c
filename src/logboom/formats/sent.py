"""Original values of entries: decoding and encoding them again would change the digits of numbers."""

from typing import Final

import msgspec

from logboom.formats.records import MESSAGE_KEYS, field_of, first_of, text_of
from logboom.model import Record

_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode: Final = msgspec.json.Encoder().encode
_DAMAGE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError)


def sent_message(record: Record, entry: bytes) -> str:
    """Message of an entry; if that is JSON, with the original digits.

    Args:
        record: record of the entry.
        entry: bytes of the entry.
    """
    own = first_of(record.entry, MESSAGE_KEYS)
    if own is None:
        is_whole = not text_of(record.entry) and _has_decimals(record.entry)
        return entry.decode(errors="replace") if is_whole else record.message
    if not _has_decimals(own):
        return record.message
    key = next(key for key in MESSAGE_KEYS if record.entry.get(key) is not None)
    return _raw(entry, key) or record.message


def sent_value(record: Record, entry: bytes, name: str) -> str | None:
    """Value of a field: text unchanged, None for null, all others as JSON with the original digits.

    Args:
        record: record of the entry.
        entry: bytes of the entry.
        name: name of the field, see `records.field_of`.
    """
    value = field_of(record.entry, name)
    if value is None or isinstance(value, str):
        return value
    if not _has_decimals(value):
        return _encode(value).decode()
    if record.entry.get(name) is not None:
        return _raw(entry, name) or _encode(value).decode()
    outer, _, inner = name.partition(".")
    nested = _raw(entry, outer)  # None: the value was derived, such as irradiance
    return (nested and _raw(nested.encode(), inner)) or _encode(value).decode()


def _has_decimals(value: object) -> bool:
    """Return whether a value has numbers that decoding may change: integers keep their digits."""
    left = [value]
    while left:  # iterative, since values may be nested deeper than the recursion limit
        one = left.pop()
        if isinstance(one, float):
            return True
        if isinstance(one, (dict, list)):
            left += one.values() if isinstance(one, dict) else one
    return False


def _raw(entry: bytes, key: str) -> str | None:
    """JSON of one field of an object; None when it is missing or unreadable."""
    try:
        return bytes(_fields.decode(entry)[key]).decode()
    except _DAMAGE:
        return None
