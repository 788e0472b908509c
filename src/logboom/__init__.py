"""Logboom: one log-collection server that answers only when an entry is safe on disk."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("logboom")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+unknown"
