"""Which handler serves which address: the one place to register a new one."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from aiohttp import web

from logboom.receivers.http import HttpSettings
from logboom.receivers.http_push import HttpRoute
from logboom.receivers.loki import LokiSettings
from logboom.web import access, entries, export, openapi, operations, page, series, tail, volume
from logboom.web.loki.loki_routes import add_loki
from logboom.web.push import serve_push
from logboom.web.security import add_headers, guard
from logboom.web.site import SITE, Site


class HttpReceiver(NamedTuple):
    """A receiver whose routes a listener serves."""

    routes: Sequence[HttpRoute]
    settings: Callable[[], Any]
    """Returns its settings as they are now."""


def make_application(
    site: Site, answers: operations.Operations, receivers: Sequence[HttpReceiver] = ()
) -> web.Application:
    """Return what one listener serves: the whole site, only how the server is, or only its receiver.

    Args:
        site: of the listener.
        answers: to questions about the server.
        receivers: those whose routes it serves.
    """
    application = web.Application(middlewares=[guard])
    application[SITE] = site
    application[operations.OPERATIONS] = answers
    application.on_response_prepare.append(add_headers)
    application[access.PUSHED], application[access.QUERIES] = set(), set()
    if not isinstance(site.settings, HttpSettings):
        _add_probes(application.router)
        if isinstance(site.settings, LokiSettings):
            add_loki(application)
        _add_receivers(application, receivers)
        return application
    _add_operations(application.router)
    if not site.settings.health_only:
        application[page.ASSETS] = page.load_assets()
        volume.add_counter(application)
        series.add_reader(application)
        export.add_exports(application)
        _add_entries(application.router)
        add_loki(application)
        _add_receivers(application, receivers)
    application[openapi.DOCUMENT] = openapi.openapi_document(
        application, answers.version, asks_for_tokens=site.tokens is not None
    )
    return application


def api_document(version: str) -> dict[str, Any]:
    """The OpenAPI document of the whole site, without a server."""
    application = web.Application()
    application[access.PUSHED], application[access.QUERIES] = set(), set()
    _add_operations(application.router)
    _add_entries(application.router)
    return openapi.openapi_document(application, version)


def _add_receivers(application: web.Application, receivers: Sequence[HttpReceiver]) -> None:
    """Add the routes of receivers; what the site serves at the same path comes first."""
    for receiver in receivers:
        for route in receiver.routes:
            handler = partial(_push, route, receiver.settings)
            if route.path == "/" and page.ASSETS in application:
                application[page.FOR_PROGRAMS] = page.ForPrograms(handler)
                continue
            resource = application.router.add_route(route.method, route.path, handler).resource
            application[access.PUSHED].add(resource)


async def _push(route: HttpRoute, settings: Callable[[], Any], request: web.Request) -> web.Response:
    """Take a body of a receiver."""
    return await serve_push(route, settings(), request)


def _add_probes(router: web.UrlDispatcher) -> None:
    """Add what orchestrators ask of a port."""
    router.add_get("/livez", operations.livez)
    router.add_get("/readyz", operations.readyz)


def _add_operations(router: web.UrlDispatcher) -> None:
    """What tells how the server is, and nothing that it was sent."""
    router.add_get("/api/health", operations.health)
    router.add_get("/livez", operations.livez)
    router.add_get("/readyz", operations.readyz)
    router.add_get("/healthz", operations.readyz)
    router.add_get("/metrics", operations.metrics)
    router.add_get("/api/openapi.json", openapi.openapi)
    router.add_post("/api/login", access.login)
    router.add_post("/api/logout", access.logout)


def _add_entries(router: web.UrlDispatcher) -> None:
    """What takes entries, shows them, and tells about their senders."""
    router.add_get("/", page.root)
    router.add_get("/static/{name:.+}", page.static)
    router.add_get("/api/status", operations.status)
    router.add_get("/api/sources", operations.sources)
    router.add_delete("/api/sources", operations.forget_source)
    router.add_get("/api/devices", operations.devices)
    router.add_get("/api/alerts", operations.alerts)
    router.add_get("/api/entries", entries.get)
    router.add_post("/api/entries", entries.post)
    router.add_get("/api/tail", tail.tail, allow_head=False)
    router.add_get("/api/volume", volume.volume)
    router.add_get("/api/fields", series.fields)
    router.add_get("/api/series", series.series)
    router.add_get("/api/export.{form:csv|jsonl}", export.export)
