"""Keys in Redis (docs/contracts/redis-layout.md): the fields of each entry, and the script that stores many entries."""

from collections import Counter, defaultdict
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from logboom.formats.levels import SEVERITY
from logboom.model import Record

KEY_TEXT_CHARS_MAX: Final = 256
"""Longest timestamp, source or type: their key is in two lists, and every list is read as a whole."""

TYPE_CHARS_MAX: Final = 32
"""Longer types are counted as `other`, since senders choose the names."""

OTHER_TYPE: Final = "other"
RESERVED_FIELDS: Final = frozenset({"total", "last_seen"})
"""Fields of `stats:{source}` that are not types; a type of that name is counted as `other`."""

GLOBAL: Final = "global"
GLOBAL_LIST: Final = "recent_logs:global"

SCRIPT: Final = """
local moved = (redis.call('HGET', KEYS[1], ARGV[1]) or '0') ~= ARGV[2]
if moved then return 'moved' end
local lists = tonumber(ARGV[4])
for number = 2, #KEYS do
  local found = redis.call('TYPE', KEYS[number])
  found = found.ok or found
  local wanted = number < lists + 2 and 'list' or 'hash'
  if found ~= 'none' and found ~= wanted then return KEYS[number] end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
local at, trouble = 5, ''
while at <= #ARGV do
  local last = at + tonumber(ARGV[at])
  local answer = redis.pcall(unpack(ARGV, at + 1, last))
  if type(answer) == 'table' and answer.err then trouble = 'refused: ' .. answer.err end
  at = last + 1
end
return trouble
"""
"""Stores a transaction atomically, and only if the position has the expected value.

So a request that was sent twice, or is executed after its sender stopped waiting, changes nothing. `WATCH`, `MULTI`,
`EXEC` would do the same, but the REST dialect has no connection to watch on.
KEYS: the position's hash, then the lists, then the hashes that are written. ARGV: the journal's identifier, the
position before and after, the number of lists; then the commands, each after its number of words.
Returns '' after success; `MOVED`, or a key with another type of value, when nothing was written; `REFUSED` and an
error when a counter has a value that is no number, and everything else was written.
"""

MOVED: Final = "moved"
REFUSED: Final = "refused: "


class Shown(NamedTuple):
    """The fields of a `log:` hash, in the order of `FIELDS`."""

    timestamp: str
    source: str
    message_type: str
    message_content: str
    line_count: int
    created_at: str


def shown(record: Record) -> Shown:
    """Make the fields of an entry: those of a WebSocket message unchanged, those of other protocols mapped."""
    entry = record.entry
    content = _content(record)
    count = entry.get("line_count")
    if type(count) is not int or count < 0:
        count = content.count("\n") + 1
    return Shown(
        timestamp=_word(entry, "timestamp") or _naive(record.time),
        source=_word(entry, "source") or record.source,
        message_type=_word(entry, "type") or _type_by_level(record.level),
        message_content=content,
        line_count=count,
        created_at=_naive(record.received_at),
    )


def _content(record: Record) -> str:
    r"""The message; a list is joined by `\n`."""
    message = record.entry.get("message")
    if isinstance(message, list):
        return "\n".join([line if isinstance(line, str) else _json(line) for line in message])
    return record.message


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _word(entry: dict[str, object], key: str) -> str:
    value = entry.get(key)
    return value[:KEY_TEXT_CHARS_MAX] if isinstance(value, str) else ""


def _type_by_level(level: str) -> str:
    return "error" if SEVERITY.get(level, 0) >= SEVERITY["ERROR"] else "log"


def _naive(moment: str) -> str:
    """UTC time without its zone, as in the layout."""
    return moment.removesuffix("+00:00")


def counted_type(message_type: str) -> str:
    """Name of the field of `stats:{source}` that counts this type."""
    fits = len(message_type) <= TYPE_CHARS_MAX and message_type not in RESERVED_FIELDS
    return message_type if fits else OTHER_TYPE


class Limits(NamedTuple):
    """Limits of storage and of one transaction."""

    expire_s: int
    recent_max: int
    global_max: int
    entries_max: int
    """Most entries of a transaction, during which Redis serves no other client."""
    chars_max: int
    """Approximate limit for the text of a transaction's commands."""
    message_chars_max: int | None = None
    """Length at which a message is cut; None: no limit."""


CUT: Final = "… (cut)"
_CHARS_EACH: Final = 200
"""Approximate length of key, field names and command words of one entry."""


class Transaction:
    """Gathers entries for one run of `SCRIPT`.

    Args:
        limits: limits of storage and of a transaction.
        now_s: current time, seconds since the epoch. An entry that has expired already, as when an old journal is
            read, is only counted.
    """

    def __init__(self, limits: Limits, now_s: float) -> None:
        self._limits = limits
        self._now_s = now_s
        self._entries = 0
        self._chars = 0
        self._commands: list[str] = []
        self._recent: dict[str, list[str]] = defaultdict(list)
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._last_seen: dict[str, str] = {}

    def add(self, record: Record) -> bool:
        """Add an entry; False when it belongs in the next transaction. The first one always fits."""
        item = self._fit(shown(record))
        chars = _CHARS_EACH + len(item.message_content) + 3 * len(item.source)
        full = self._entries >= self._limits.entries_max or self._chars + chars > self._limits.chars_max
        if full and self._entries:
            return False
        self._entries += 1
        self._chars += chars
        life_s = self._life_s(record.received_at)
        if life_s > 0:
            counter = record.sequence + 1  # the `message_id` in the sender's answer
            self._keep(f"log:{item.timestamp}:{item.source}:{counter}", item, life_s)
        self._count(item)
        return True

    def _fit(self, item: Shown) -> Shown:
        limit = self._limits.message_chars_max
        if limit is None or len(item.message_content) <= limit:
            return item
        return item._replace(message_content=item.message_content[: limit - len(CUT)] + CUT)

    def _life_s(self, received_at: str) -> int:
        """Seconds until an entry expires, by this machine's clock: that of Redis may differ."""
        age_s = self._now_s - datetime.fromisoformat(received_at).timestamp()
        return self._limits.expire_s - max(0, int(age_s))

    def _keep(self, key: str, item: Shown, life_s: int) -> None:
        timestamp, source, message_type, content, count, created_at = item
        # fmt: off
        self._commands += (
            "14", "HSET", key, "timestamp", timestamp, "source", source, "message_type", message_type,
            "message_content", content, "line_count", str(count), "created_at", created_at,
            "3", "EXPIRE", key, str(life_s),
        )
        # fmt: on
        if source != GLOBAL:  # its list has the name of the list of all sources
            self._recent[f"recent_logs:{source}"].append(key)
        self._recent[GLOBAL_LIST].append(key)

    def _count(self, item: Shown) -> None:
        key = f"stats:{item.source}"
        counts = self._counts[key]
        counts["total"] += 1
        counts[counted_type(item.message_type)] += 1
        self._last_seen[key] = item.created_at

    def arguments(self, position_key: str, journal: str, before: int, after: int) -> tuple[int, list[str]]:
        """Return the number of keys, and the keys and arguments of `SCRIPT`."""
        keys = [position_key, *self._recent, *self._counts]
        words = [journal, str(before), str(after), str(len(self._recent)), *self._commands]
        for command in self._list_commands() + self._stats_commands():
            words += (str(len(command)), *command)
        return len(keys), keys + words

    def _list_commands(self) -> list[list[str]]:
        commands = []
        for key, logs in self._recent.items():
            limit = self._limits.global_max if key == GLOBAL_LIST else self._limits.recent_max
            commands.append(["LPUSH", key, *logs[-limit:]])
            commands.append(["LTRIM", key, "0", str(limit - 1)])
            # Without new entries for this time, it would only name expired keys.
            commands.append(["EXPIRE", key, str(self._limits.expire_s)])
        return commands

    def _stats_commands(self) -> list[list[str]]:
        commands = []
        for key, counts in self._counts.items():
            commands += [["HINCRBY", key, field, str(count)] for field, count in counts.items()]
            commands.append(["HSET", key, "last_seen", self._last_seen[key]])
        return commands
