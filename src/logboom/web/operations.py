"""Health, readiness, metrics, status: documents about the server itself.

Health, the probes and metrics take any parameter: what asks them adds some of its own.
"""

import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from aiohttp import web

from logboom.journal.log import Log
from logboom.query.device_question import DeviceQuestion
from logboom.query.line_question import LineQuestion
from logboom.query.sql.sql_service import SqlService
from logboom.web.device_query import (
    NAME_BODY_BYTES_MAX,
    NamedDevice,
    devices_query,
    given_name,
    refused_query,
    why_query,
)
from logboom.web.json_body import read_json
from logboom.web.query import check_names, source_query, sources_query
from logboom.web.site import SITE

WHY_S_MAX: Final = 5.0
"""Longest search for a line, seconds; it then was not found."""


NO_STORE: Final = {"Cache-Control": "no-store"}


class Views(Protocol):
    """Views of the page that are saved for all users. Its methods may block."""

    def document(self) -> dict[str, Any]:
        """The document of `/api/views`."""

    def save(self, name: str, address: str) -> None:
        """Save a view, or replace the one of that name. Raises `StorageError`."""

    def remove(self, name: str) -> bool:
        """Remove a view; False: there is none of that name. Raises `StorageError`."""


class Operations(Protocol):
    """Answers the questions of this module; `logboom.ops.server_operations` does."""

    version: str
    """Logboom's."""

    @property
    def views(self) -> Views:
        """Views of the page that are saved for all users."""

    @property
    def sql(self) -> SqlService:
        """Runs SQL queries."""

    def health(self) -> tuple[int, dict[str, Any]]:
        """The HTTP status and the document of `/api/health`."""

    async def readiness(self) -> list[tuple[str, bool, str]]:
        """Name, outcome and detail of each check of `/readyz`."""

    async def metrics(self, accept: str) -> tuple[bytes, str]:
        """The body and the content type of `/metrics`, for a client's `Accept`."""

    async def status(self) -> dict[str, Any]:
        """The document of `/api/status`."""

    async def storage(self) -> dict[str, Any]:
        """The document of `/api/storage`."""

    async def sources(self, limit: int) -> dict[str, Any]:
        """The document of `/api/sources`."""

    async def devices(self, asked: DeviceQuestion) -> dict[str, Any]:
        """The document of `/api/devices`."""

    async def name_device(self, listener: str, name: str, given: str) -> bool:
        """Give a device a name, or none if it is empty; False: there is no such device. Raises `StorageError`."""

    def refused(self, limit: int, source: str) -> dict[str, Any]:
        """The document of `/api/refused`."""

    def why(self, asked: LineQuestion, log: Log, give_up: Callable[[], bool]) -> Callable[[], dict[str, Any]]:
        """A function that returns the document of `/api/why`, for a thread; called on the event loop."""

    async def retry_refused(self) -> dict[str, int]:
        """Judge the refused lines again, and store the good ones."""

    async def forget_source(self, listener: str, name: str) -> bool:
        """Wait for a source no more; False: there is no such source."""

    async def alerts(self) -> dict[str, Any]:
        """The document of `/api/alerts`."""

    async def alert_history(self, limit: int) -> dict[str, Any]:
        """The document of `/api/alerts/history`."""

    async def put_rule(self, name: str, table: dict[str, Any], *, is_new: bool) -> str:
        """Make or replace a rule with a query; return why it must not be, or nothing.

        Raises:
            ConfigError: a setting is not valid.
            KeyError: there is no rule to be replaced.
            StorageError: it can't be saved.
        """

    async def remove_rule(self, name: str) -> str:
        """Remove a rule; as `put_rule`."""

    def try_rule(
        self, log: Log, table: dict[str, Any], since: float | None, give_up: Callable[[], bool]
    ) -> dict[str, Any]:
        """The document of `/api/alerts/trial`; it reads the journal. Raises `ConfigError`."""

    async def test_targets(self, names: list[str], rule: str) -> dict[str, str | None] | None:
        """Send a test message; by target, why it failed or None. None: a test is running. Raises `KeyError`."""

    async def mute(self, rule: str, subject: str, until: float | None, by: str) -> bool:
        """Mute until a time, or no longer; False: there is none. Raises `ConfigError`."""

    async def acknowledge(self, rule: str, subject: str, by: str, *, on: bool) -> bool:
        """Acknowledge an alert, or withdraw that; False: it does not fire. Raises `ConfigError`."""


OPERATIONS: Final = web.AppKey("operations", Operations)


async def health(request: web.Request) -> web.Response:
    """Health of the server: 200 when `status` is `ok`, else 503."""
    status, document = request.app[OPERATIONS].health()
    return web.json_response(document, status=status, headers=NO_STORE)


async def livez(_request: web.Request) -> web.Response:
    """The event loop lives: it has answered. Stays so while the server drains."""
    return web.Response(text="ok\n", headers=NO_STORE)


async def readyz(request: web.Request) -> web.Response:
    """Readiness to store entries; `?verbose` lists the checks."""
    checks = await request.app[OPERATIONS].readiness()
    ready = all(ok for _, ok, _ in checks)
    lines = [
        f"[{'+' if ok else '-'}] {name}: {detail}"
        for name, ok, detail in checks
        if "verbose" in request.query or not ok
    ]
    text = "\n".join([*lines, "ok" if ready else "not ready"])
    return web.Response(text=f"{text}\n", status=200 if ready else 503, headers=NO_STORE)


async def metrics(request: web.Request) -> web.Response:
    """For Prometheus."""
    accept = ",".join(request.headers.getall("Accept", []))
    body, content_type = await request.app[OPERATIONS].metrics(accept)
    return web.Response(body=body, headers={"Content-Type": content_type, **NO_STORE})


async def status(request: web.Request) -> web.Response:
    """Everything the Overview shows."""
    check_names(request.query, ())
    return web.json_response(await request.app[OPERATIONS].status(), headers=NO_STORE)


async def storage(request: web.Request) -> web.Response:
    """Size and growth of the journal on disk, at most 10 s old; state of packing."""
    check_names(request.query, ())
    return web.json_response(await request.app[OPERATIONS].storage(), headers=NO_STORE)


async def sources(request: web.Request) -> web.Response:
    """Known sources, at most `limit`, most recent senders first."""
    limit = sources_query(request.query)
    return web.json_response(await request.app[OPERATIONS].sources(limit), headers=NO_STORE)


async def devices(request: web.Request) -> web.Response:
    """Devices that count their boots and lines; with `name`, also their boots, gaps and reboots.

    `find` selects by a part of a name, address, listener or firmware. Those that were seen last come first, unless
    `order` is `name` or `missing`; `offset` and `limit` give one page of them.
    """
    document = await request.app[OPERATIONS].devices(devices_query(request.query))
    return web.json_response(document, headers=NO_STORE)


async def name_device(request: web.Request) -> web.Response:
    """Give a device a name that people know, which is shown next to its own; an empty one removes it.

    What is stored does not change, and searches for a source go by the device's own name.
    """
    check_names(request.query, ())
    wanted = await read_json(
        request, NamedDevice, NAME_BODY_BYTES_MAX, '{"listener": text, "name": text, "given_name": text}'
    )
    given = given_name(wanted.given_name)
    found = await request.app[OPERATIONS].name_device(wanted.listener, wanted.name, given)
    if not found:
        place = f"{wanted.name[:128]!r} of listener {wanted.listener[:128]!r}"
        raise web.HTTPNotFound(text=f"there is no device {place}")
    return web.json_response({"given_name": given}, headers=NO_STORE)


async def refused(request: web.Request) -> web.Response:
    """Refused lines that are kept, with the reason and the bytes; the last first."""
    document = request.app[OPERATIONS].refused(*refused_query(request.query))
    return web.json_response(document, headers=NO_STORE)


async def why(request: web.Request) -> web.Response:
    """Fate of a line, by `source`, `boot` and `seq`, by `text`, or by `time`.

    Stored, refused, missing, deleted, or not known: as far as the server can know it.
    """
    site, asked = request.app[SITE], why_query(request.query)
    ends_at = time.monotonic() + WHY_S_MAX
    explain = request.app[OPERATIONS].why(asked, site.log, lambda: site.closing or time.monotonic() > ends_at)
    document = await site.search(request, explain)
    return web.json_response(document, headers=NO_STORE)


async def retry_refused(request: web.Request) -> web.Response:
    """Judge all refused lines again with the settings of now; those that are good are stored, and kept no longer."""
    check_names(request.query, ())
    return web.json_response(await request.app[OPERATIONS].retry_refused(), headers=NO_STORE)


async def forget_source(request: web.Request) -> web.Response:
    """Forget a source: it does not count as silent any more, and its alerts end without a notification.

    Its entries stay. When it speaks again, it is new.
    """
    listener, name = source_query(request.query)
    if not await request.app[OPERATIONS].forget_source(listener, name):
        raise web.HTTPNotFound(text=f"there is no source {name[:128]!r} of listener {listener[:128]!r}")
    return web.json_response({"forgotten": 1}, headers=NO_STORE)
