"""All exceptions of Logboom, in one tree.

A peer's bytes never raise an exception: they become verdicts or reply bytes. An exception is either a mistake of the
caller (`ConfigError`) or a failure of the machine or a service (`StorageError`, `OutputError`, …).
"""


class LogboomError(Exception):
    """Base class of all exceptions of Logboom."""


class ConfigError(LogboomError):
    """A setting is not valid. The text has the key, the value and what is allowed."""


class ExtraMissingError(ConfigError):
    """The packages of a requested part are not installed. The text has the command to install them."""


class ListenerError(LogboomError):
    """A listener could not be started, for example because its port is in use."""


class StorageError(LogboomError):
    """The journal could not store or read something: disk full, I/O error, damage."""


class DataDirLockedError(StorageError):
    """Another server is writing to the same data directory."""


class OutputError(LogboomError):
    """An output could not store entries now; its runner keeps the position and retries."""


class TakenAwayError(OutputError):
    """Another program moved, deleted, truncated or emptied a file or table; the output continues with a new one."""


class DeliveryError(LogboomError):
    """A client could not deliver all its entries."""
