"""Logboom: one log-collection server that answers only when an entry is safe on disk."""


def __getattr__(name: str) -> str:
    """`__version__`, looked up when somebody asks: the look-up costs more than the rest of the start."""
    if name != "__version__":
        raise AttributeError(f"module 'logboom' has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    try:
        return version("logboom")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "0+unknown"
