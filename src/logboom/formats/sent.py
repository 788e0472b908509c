"""Values of entries as they were sent: decoding and encoding again would change the digits of numbers."""

from typing import Final

import msgspec

from logboom.formats.records import MESSAGE_KEYS, field_of, first_of, text_of
from logboom.model import Record

_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode: Final = msgspec.json.Encoder().encode
_DAMAGE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError)


def sent_message(record: Record, entry: bytes) -> str:
    """The message of an entry; where that is JSON, with the digits that were sent.

    Args:
        record: of the entry.
        entry: its bytes.
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
    """A field of an entry: text as it is, None for null, all else as JSON with the digits that were sent.

    Args:
        record: of the entry.
        entry: its bytes.
        name: of the field, see `records.field_of`.
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
    """Whether there are numbers that decoding may change: whole ones keep their digits."""
    left = [value]
    while left:  # not by calls: values may be nested deeper than these go
        one = left.pop()
        if isinstance(one, float):
            return True
        if isinstance(one, (dict, list)):
            left += one.values() if isinstance(one, dict) else one
    return False


def _raw(entry: bytes, key: str) -> str | None:
    """The JSON of one field of an object; None when it has none, or can't be read."""
    try:
        return bytes(_fields.decode(entry)[key]).decode()
    except _DAMAGE:
        return None
