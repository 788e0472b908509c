"""Requests about alerts: what fires and fired, rules that people make, trials and tests, muting, acknowledging."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from aiohttp import web

from logboom.errors import ConfigError
from logboom.formats.asked_times import asked_time
from logboom.query.filter.filter_error import FilterError
from logboom.query.filter.parser import parse
from logboom.web.access import IDENTITY
from logboom.web.json_body import read_json
from logboom.web.operations import NO_STORE, OPERATIONS
from logboom.web.query import QueryError, check_names, history_query
from logboom.web.site import SITE

BODY_BYTES_MAX: Final = 16 << 10
"""Longest body: a query has 2,000 characters at most."""

TRIAL_S_MAX: Final = 2.0
"""Time limit of the trial of a rule; the answer is then about its newest part."""

TEXT_CHARS_MAX: Final = 500
"""Longest rule or subject of an alert, characters."""


class _Place(msgspec.Struct, forbid_unknown_fields=True):
    """An alert; without a subject all of a rule."""

    rule: str
    subject: str = ""


class _Mute(msgspec.Struct, forbid_unknown_fields=True):
    rule: str
    until: str
    subject: str = ""


class _Test(msgspec.Struct, forbid_unknown_fields=True):
    targets: list[str] = []
    rule: str = ""


async def alerts(request: web.Request) -> web.Response:
    """Firing alerts, those that fired recently, the rules, and what is muted."""
    check_names(request.query, ())
    return _answer(await request.app[OPERATIONS].alerts())


async def history(request: web.Request) -> web.Response:
    """Alerts that have ended, each time that they fired; the last first."""
    return _answer(await request.app[OPERATIONS].alert_history(history_query(request.query)))


async def make_rule(request: web.Request) -> web.Response:
    """Make a rule with a query. It counts the entries that arrive from now on, and outlives a restart."""
    check_names(request.query, ())
    table = await _rule(request)
    name = table.pop("name", None)
    if not isinstance(name, str):
        raise QueryError("name", "missing, expected the name of the rule")
    return await _put(request, name, table, is_new=True)


async def replace_rule(request: web.Request) -> web.Response:
    """Replace a rule that was made on the page or by this API. Rules of the configuration are only changed there."""
    check_names(request.query, ())
    return await _put(request, request.match_info["rule"], await _rule(request), is_new=False)


async def _put(request: web.Request, name: str, table: dict[str, Any], *, is_new: bool) -> web.Response:
    try:
        refusal = await request.app[OPERATIONS].put_rule(name, table, is_new=is_new)
    except KeyError:
        raise _no_rule(name) from None
    except ConfigError as error:
        raise web.HTTPBadRequest(text=str(error)) from None
    if refusal:
        raise web.HTTPConflict(text=refusal)
    return _answer({"name": name})


async def remove_rule(request: web.Request) -> web.Response:
    """Remove a rule that was made on the page or by this API; its alert ends without a message."""
    check_names(request.query, ())
    name = request.match_info["rule"]
    try:
        refusal = await request.app[OPERATIONS].remove_rule(name)
    except KeyError:
        raise _no_rule(name) from None
    if refusal:
        raise web.HTTPConflict(text=refusal)
    return _answer({"removed": 1})


async def try_rule(request: web.Request) -> web.Response:
    """Try a rule over the entries of the past: how often would it have fired, and when. Changes and sends nothing."""
    check_names(request.query, ())
    table, site = await _rule(request), request.app[SITE]
    table.pop("name", None)
    since = _moment("since", table.pop("since")) if "since" in table else None
    ends_at = time.monotonic() + TRIAL_S_MAX

    def give_up() -> bool:
        return site.closing or time.monotonic() > ends_at

    operations = request.app[OPERATIONS]
    try:
        document = await site.search(request, lambda: operations.try_rule(site.log, table, since, give_up))
    except ConfigError as error:
        raise web.HTTPBadRequest(text=str(error)) from None
    return _answer(document)


async def test(request: web.Request) -> web.Response:
    """Send a test message to targets, all of them where none is named; wait for their answers."""
    check_names(request.query, ())
    wanted = await read_json(request, _Test, BODY_BYTES_MAX, '{"targets": [names]}')
    try:
        found = await request.app[OPERATIONS].test_targets(wanted.targets, _text("rule", wanted.rule))
    except KeyError as error:
        raise web.HTTPNotFound(text=f"there is no target {_cut(error.args[0])!r}") from None
    if found is None:
        raise web.HTTPConflict(text="a test is being sent already")
    return _answer({"targets": [{"name": name, "trouble": reason} for name, reason in found.items()]})


async def mute(request: web.Request) -> web.Response:
    """Mute a rule, or one of its alerts, until a time: it is shown, and no message is sent about it.

    The end of an alert is sent if its begin was. What still fires when the time is over is sent then.
    """
    check_names(request.query, ())
    wanted = await read_json(
        request, _Mute, BODY_BYTES_MAX, '{"rule": name, "subject": text or nothing, "until": time}'
    )
    until = _moment("until", wanted.until)
    return await _mute(request, _Place(wanted.rule, wanted.subject), until, "muted")


async def unmute(request: web.Request) -> web.Response:
    """Mute a rule, or one of its alerts, no longer."""
    return await _mute(request, _place_of(request.query), None, "unmuted")


async def _mute(request: web.Request, place: _Place, until: float | None, done: str) -> web.Response:
    rule, subject = _text("rule", place.rule), _text("subject", place.subject)
    try:
        found = await request.app[OPERATIONS].mute(rule, subject, until, request[IDENTITY].name)
    except ConfigError as error:
        raise web.HTTPBadRequest(text=str(error)) from None
    if not found:
        what = "it is not muted" if until is None else f"there is no rule {_cut(rule)!r}"
        raise web.HTTPNotFound(text=what)
    return _answer({done: 1})


async def acknowledge(request: web.Request) -> web.Response:
    """Acknowledge an alert that fires: who takes care of it is shown until it ends."""
    check_names(request.query, ())
    place = await read_json(request, _Place, BODY_BYTES_MAX, '{"rule": name, "subject": text}')
    return await _acknowledge(request, place, on=True)


async def withdraw(request: web.Request) -> web.Response:
    """Withdraw an acknowledgement."""
    return await _acknowledge(request, _place_of(request.query), on=False)


async def _acknowledge(request: web.Request, place: _Place, *, on: bool) -> web.Response:
    rule, subject = _text("rule", place.rule), _text("subject", place.subject)
    try:
        found = await request.app[OPERATIONS].acknowledge(rule, subject, request[IDENTITY].name, on=on)
    except ConfigError as error:
        raise web.HTTPBadRequest(text=str(error)) from None
    if not found:
        raise web.HTTPNotFound(text="there is no such alert that fires")
    return _answer({"acknowledged": int(on)})


async def _rule(request: web.Request) -> dict[str, Any]:
    """Return the settings of a rule in a body, whose query can be read."""
    table = await read_json(request, dict[str, Any], BODY_BYTES_MAX, "an object with a query")
    query = table.get("query")
    if not isinstance(query, str) or not query:
        raise QueryError("query", "missing, expected the query of the rule")
    try:
        parse(query)
    except FilterError as error:
        raise QueryError("query", str(error), error) from None
    return table


def _place_of(parameters: Mapping[str, str]) -> _Place:
    check_names(parameters, ("rule", "subject"))
    if "rule" not in parameters:
        raise QueryError("rule", "missing, expected the name of the rule")
    return _Place(parameters["rule"], parameters.get("subject", ""))


def _moment(name: str, text: object) -> float:
    """Return a time as seconds since the epoch."""
    if not isinstance(text, str):
        raise QueryError(name, f"found {str(text)[:40]!r}, expected a time as text")
    try:
        return asked_time(text, datetime.now(UTC), UTC).timestamp()
    except ValueError as error:
        raise QueryError(name, str(error)) from None


def _text(name: str, text: str) -> str:
    if len(text) > TEXT_CHARS_MAX:
        raise QueryError(name, f"found {len(text)} characters, expected {TEXT_CHARS_MAX} at most")
    return text


def _cut(text: str) -> str:
    return text[:64]


def _no_rule(name: str) -> web.HTTPNotFound:
    return web.HTTPNotFound(text=f"there is no rule {_cut(name)!r}")


def _answer(document: dict[str, Any]) -> web.Response:
    return web.json_response(document, headers=NO_STORE)
