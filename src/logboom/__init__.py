"""Logboom: a log-collection server that answers only when an entry is safe on disk."""

TYPE_CHECKING = False  # as in `typing`, which the fastest commands do not import

if TYPE_CHECKING:
    from logboom.clients.handler.logging_handler import LogboomHandler
    from logboom.clients.handler.request_ids import RequestIdMiddleware, RequestIdWsgiMiddleware, request_id

    __version__: str

__all__ = ["LogboomHandler", "RequestIdMiddleware", "RequestIdWsgiMiddleware", "__version__", "request_id"]

_PLACES = {
    "LogboomHandler": "logging_handler",
    "RequestIdMiddleware": "request_ids",
    "RequestIdWsgiMiddleware": "request_ids",
    "request_id": "request_ids",
}
"""Modules of public names, in `logboom.clients.handler`."""


def __getattr__(name: str) -> object:
    """Import attributes at first access: each costs more than the rest of the start."""
    if name in _PLACES:
        from importlib import import_module  # noqa: PLC0415

        return getattr(import_module(f"logboom.clients.handler.{_PLACES[name]}"), name)
    if name != "__version__":
        raise AttributeError(f"module 'logboom' has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    try:
        return version("logboom")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "0+unknown"
