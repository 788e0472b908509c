"""Which handler serves which address: the one place to register a new one."""

from aiohttp import web

from logboom.web import entries, page, tail
from logboom.web.security import add_headers, guard
from logboom.web.site import SITE, Site


def make_application(site: Site) -> web.Application:
    """The whole site of one listener."""
    application = web.Application(middlewares=[guard])
    application[SITE] = site
    application[page.ASSETS] = page.load_assets()
    application.on_response_prepare.append(add_headers)
    application.router.add_get("/", page.root)
    application.router.add_get("/static/{name}", page.static)
    application.router.add_get("/api/entries", entries.get)
    application.router.add_post("/api/entries", entries.post)
    application.router.add_get("/api/tail", tail.tail, allow_head=False)
    return application
