"""Extras: packages that only an optional part needs. An installation without extras has what `LogboomHandler` needs."""

from importlib.util import find_spec
from typing import Final

from logboom.errors import ExtraMissingError

MODULES: Final = {
    "alerts": ("apprise",),
    "archive": ("duckdb",),
    "capnp": ("capnp",),
    "cluster": ("nats",),
    "grpc": ("grpc", "grpc_health", "grpc_reflection", "google.protobuf"),
    "loki": ("cramjam",),
    "mqtt": ("paho",),
    "otlp": ("opentelemetry.proto", "google.protobuf"),
    "regex": ("re2",),
    "server": ("prometheus_client", "rich", "typer", "xxhash"),
    "tls": ("cryptography",),
}
"""Modules that an extra provides. Outputs check theirs when they connect."""


def is_missing(extra: str) -> bool:
    """Return true if an extra is not completely installed."""
    return not all(map(_is_there, MODULES[extra]))


def advice(extra: str) -> str:
    """Instruction for installing an extra."""
    return f"it needs the extra `{extra}`: pip install 'logboom[{extra}]'"


def require(extra: str, what: str) -> None:
    """Check that an extra is installed, so that a missing one is reported early.

    Args:
        extra: name in `MODULES`.
        what: the setting, option or command that needs it.

    Raises:
        ExtraMissingError: it is missing; the text has the command to install it.
    """
    if is_missing(extra):
        raise ExtraMissingError(f"{what}: {advice(extra)}")


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # its parent package is missing, too
        return False
