"""Which handler serves which address: the one place to register a new one."""

from aiohttp import web

from logboom.web import access, entries, export, operations, page, series, tail, volume
from logboom.web.security import add_headers, guard
from logboom.web.site import SITE, Site


def make_application(site: Site, answers: operations.Operations) -> web.Application:
    """The whole site of one listener, or only how the server is, where that is all it serves."""
    application = web.Application(middlewares=[guard])
    application[SITE] = site
    application[operations.OPERATIONS] = answers
    application.on_response_prepare.append(add_headers)
    _add_operations(application.router)
    if not site.settings.health_only:
        _add_page(application)
    return application


def _add_operations(router: web.UrlDispatcher) -> None:
    """What tells how the server is, and nothing that it was sent."""
    router.add_get("/api/health", operations.health)
    router.add_get("/livez", operations.livez)
    router.add_get("/readyz", operations.readyz)
    router.add_get("/healthz", operations.readyz)
    router.add_get("/metrics", operations.metrics)
    router.add_post("/api/login", access.login)
    router.add_post("/api/logout", access.logout)


def _add_page(application: web.Application) -> None:
    application[page.ASSETS] = page.load_assets()
    application.router.add_get("/", page.root)
    application.router.add_get("/api/status", operations.status)
    application.router.add_get("/api/sources", operations.sources)
    application.router.add_get("/api/alerts", operations.alerts)
    application.router.add_get("/static/{name:.+}", page.static)
    application.router.add_get("/api/entries", entries.get)
    application.router.add_post("/api/entries", entries.post)
    application.router.add_get("/api/tail", tail.tail, allow_head=False)
    _add_pictures(application)


def _add_pictures(application: web.Application) -> None:
    """What reads the journal for pictures, and as a file."""
    volume.add_counter(application)
    export.add_exports(application)
    application.router.add_get("/api/volume", volume.volume)
    application.router.add_get("/api/fields", series.fields)
    application.router.add_get("/api/series", series.series)
    application.router.add_get("/api/export.{form:csv|jsonl}", export.export)
