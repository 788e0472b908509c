"""Extras: the packages that only one optional part needs. A plain installation has none of them."""

from importlib.util import find_spec
from typing import Final

from logboom.errors import ExtraMissingError

MODULES: Final = {
    "alerts": ("apprise",),
    "capnp": ("capnp",),
    "grpc": ("grpc", "grpc_health", "grpc_reflection", "google.protobuf"),
    "regex": ("re2",),
    "tls": ("cryptography",),
}
"""The modules that an extra must provide. Outputs check theirs when they connect."""


def is_missing(extra: str) -> bool:
    """Return true if an extra is not installed, or only in part."""
    return not all(map(_is_there, MODULES[extra]))


def advice(extra: str) -> str:
    """The instruction for a user whose installation lacks an extra."""
    return f"it needs the extra `{extra}`: pip install 'logboom[{extra}]'"


def require(extra: str, what: str) -> None:
    """Make sure that an extra is installed, before something fails in the middle.

    Args:
        extra: its name in `MODULES`.
        what: the setting, option or command that needs it.

    Raises:
        ExtraMissingError: it is missing; the text says how to install it.
    """
    if is_missing(extra):
        raise ExtraMissingError(f"{what}: {advice(extra)}")


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even its parent is there
        return False
