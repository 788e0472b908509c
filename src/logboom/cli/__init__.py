"""The command line: one file per command or group of them. Nothing is imported before it is known what for."""

import sys

TYPE_CHECKING = False  # as in `typing`, whose import takes longer than `logboom health` otherwise does
if TYPE_CHECKING:
    from logboom.cli.commands import app

__all__ = ["app", "main"]


def main() -> None:
    """Entry point of the `logboom` command. Errors of ours end with one line and exit code 1."""
    words = sys.argv[1:]
    if words[:1] == ["health"]:
        from logboom.cli.quick_health import answer

        if (code := answer(words[1:])) is not None:
            sys.exit(code)
    try:
        from logboom.cli.commands import run
    except ModuleNotFoundError:
        from logboom.extras import advice, is_missing

        if not is_missing("server"):
            raise
        sys.exit(f"❌ the command logboom: {advice('server')}")

    run(words)


def __getattr__(name: str) -> object:
    if name != "app":
        raise AttributeError(f"module 'logboom.cli' has no attribute {name!r}")
    from logboom.cli.commands import app

    return app
