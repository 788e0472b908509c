"""Access and error logs of web servers: nginx and Apache."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, ClassVar, Final

from logboom.clients.importing.layouts.base import (
    Converted,
    Layout,
    encoded,
    in_utc,
    known_level,
    share,
)
from logboom.formats.mapped import MappedEntry

_ACCESS: Final = re.compile(
    r'(?P<client>\S+) \S+ (?P<user>\S+) \[(?P<time>[^\]]{20,32})\] "(?P<request>(?:[^"\\]|\\.)*)" '
    r'(?P<status>\d{3}) (?P<bytes>\d+|-)(?: "(?P<referer>(?:[^"\\]|\\.)*)" "(?P<user_agent>(?:[^"\\]|\\.)*)")?'
    r"(?: (?P<rest>.*))?"
)
_NGINX_ERROR: Final = re.compile(
    r"(?P<time>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[(?P<level>\w+)\] (?P<pid>\d+)#\d+: (?P<message>.*)"
)
_APACHE_ERROR: Final = re.compile(
    r"\[(?P<time>\w{3} \w{3} \d\d \d\d:\d\d:\d\d(?:\.\d+)? \d{4})\] \[(?:(?P<module>\w*):)?(?P<level>\w+)\] "
    r"(?:\[pid (?P<pid>\d+)(?::tid \d+)?\] )?(?P<message>.*)"
)
_SERVER_ERROR: Final = 500
_CLIENT_ERROR: Final = 400


class AccessLog(Layout):
    """The common and the combined log format, which nginx and Apache write by default."""

    name: ClassVar[str] = "access"
    about: ClassVar[str] = "access logs of nginx and Apache, common or combined"

    def __init__(self, zone: tzinfo | None = UTC) -> None:
        super().__init__(zone)
        self._last = ("", "")  # consecutive lines often have the same second

    @classmethod
    def fits(cls, sample: Sequence[bytes]) -> float:
        """See `base.Layout`."""
        return share(sample, (_ACCESS.fullmatch(line.decode(errors="replace")) for line in sample))

    def convert(self, data: bytes) -> Converted:
        """See `base.Layout`."""
        entries, unreadable = [], 0
        for line in data.decode(errors="replace").splitlines():
            found = _ACCESS.fullmatch(line)
            moment = self._time(found["time"]) if found else ""
            if found and moment:
                entries.append(_request(found, moment))
            else:
                unreadable += bool(line.strip())
        return encoded(entries, unreadable)

    def _time(self, text: str) -> str:
        if text != self._last[0]:
            try:
                moment = in_utc(datetime.strptime(text, "%d/%b/%Y:%H:%M:%S %z"), UTC)
            except ValueError:
                moment = ""
            self._last = (text, moment)
        return self._last[1]


def _request(found: re.Match[str], moment: str) -> MappedEntry:
    status = int(found["status"])
    method, _, target = found["request"].partition(" ")
    path, _, version = target.rpartition(" ")
    attributes: dict[str, Any] = {
        "client": found["client"],
        "user": found["user"],
        "method": method,
        "path": path,
        "protocol": version,
        "status": status,
        "bytes": int(found["bytes"]) if found["bytes"] != "-" else 0,
        "referer": found["referer"],
        "user_agent": found["user_agent"],
        "rest": found["rest"],
    }
    return MappedEntry(
        time=moment,
        level="ERROR" if status >= _SERVER_ERROR else "WARNING" if status >= _CLIENT_ERROR else "INFO",
        message=f"{found['request']} {status}",
        attributes={name: value for name, value in attributes.items() if value not in {None, "", "-"}},
    )


class ErrorLog(Layout):
    """The error logs of nginx and Apache."""

    name: ClassVar[str] = "error"
    about: ClassVar[str] = "error logs of nginx and Apache"

    @classmethod
    def fits(cls, sample: Sequence[bytes]) -> float:
        """See `base.Layout`."""
        lines = [line.decode(errors="replace") for line in sample]
        return share(
            sample, (_NGINX_ERROR.fullmatch(line) or _APACHE_ERROR.fullmatch(line) for line in lines)
        )

    def convert(self, data: bytes) -> Converted:
        """See `base.Layout`."""
        lines = [line for line in data.decode(errors="replace").splitlines() if line.strip()]
        entries = [entry for line in lines if (entry := self._entry(line)) is not None]
        return encoded(entries, len(lines) - len(entries))

    def _entry(self, line: str) -> MappedEntry | None:
        found = _NGINX_ERROR.fullmatch(line) or _APACHE_ERROR.fullmatch(line)
        if found is None:
            return None
        form = "%Y/%m/%d %H:%M:%S" if found["time"][0].isdigit() else "%a %b %d %H:%M:%S %Y"
        if "." in found["time"]:
            form = form.replace("%S", "%S.%f")
        try:
            moment = in_utc(datetime.strptime(found["time"], form), self._zone)  # noqa: DTZ007 - `in_utc` adds it
        except ValueError:
            return None
        attributes = {
            name: found.groupdict().get(name) for name in ("pid", "module") if found.groupdict().get(name)
        }
        return MappedEntry(
            time=moment, level=known_level(found["level"]), message=found["message"], attributes=attributes
        )
