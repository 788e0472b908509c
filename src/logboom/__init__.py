"""Logboom: a log-collection server that answers only when an entry is safe on disk."""

TYPE_CHECKING = False  # as in `typing`, which the fastest commands do not import

if TYPE_CHECKING:
    from logboom.clients.handler.logging_handler import LogboomHandler

    __version__: str

__all__ = ["LogboomHandler", "__version__"]


def __getattr__(name: str) -> object:
    """Import attributes at first access: each costs more than the rest of the start."""
    if name == "LogboomHandler":
        from logboom.clients.handler.logging_handler import LogboomHandler  # noqa: PLC0415

        return LogboomHandler
    if name != "__version__":
        raise AttributeError(f"module 'logboom' has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    try:
        return version("logboom")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "0+unknown"
