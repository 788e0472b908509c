"""Every exception that Logboom raises by itself, in one tree.

A peer's bytes never raise: they become verdicts or reply bytes. What is raised here is either our
caller's mistake (`ConfigError`) or trouble of the machine (`StorageError` and its kin).
"""


class LogboomError(Exception):
    """Base of all of them: catch this one to catch any."""


class ConfigError(LogboomError):
    """A setting is wrong. The text names the key, what was found and what is allowed."""


class ExtraMissingError(ConfigError):
    """A part is asked for whose packages are not installed. The text says how to install them."""


class ListenerError(LogboomError):
    """A listener could not be started, for example because its port is taken."""


class StorageError(LogboomError):
    """The journal could not store or read something: disk full, I/O error, damage."""


class DataDirLockedError(StorageError):
    """Another server is writing to the same data directory."""


class OutputError(LogboomError):
    """An output could not take records now; its runner keeps the position and tries again."""


class TakenAwayError(OutputError):
    """Another program moved, deleted, cut or emptied a file or table; its output goes on with a new one at once."""


class DeliveryError(LogboomError):
    """A client could not hand over everything it was given."""
