"""Python's `logging` to a Logboom server."""

from logboom.clients.handler.logging_handler import LogboomHandler

__all__ = ["LogboomHandler"]
