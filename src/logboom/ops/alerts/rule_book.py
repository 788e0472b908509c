"""Rules with a query: those of the configuration, and those made by people, which a durable file has."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from logboom.durable import replace_file
from logboom.errors import ConfigError, StorageError
from logboom.model import Report
from logboom.ops.alerts.alert_settings import BUILT_IN, AlertsSettings, QueryRule, query_rule
from logboom.ops.alerts.names import target_names

FILE_NAME: Final = "alert-rules-made.json"
VERSION: Final = 1

MADE_MAX: Final = 50
"""Most rules that people make, besides those of the configuration: each is evaluated for every entry."""

CONFIGURATION: Final = "configuration"
PAGE: Final = "page"
"""Origins of rules."""


class RuleConflictError(ConfigError):
    """A rule does not fit to others, or to the configuration."""


class _File(msgspec.Struct):
    version: int
    rules: dict[str, dict[str, Any]]


class RuleBook:
    """The rules with a query. The caller holds a lock.

    Args:
        settings: validated settings, with the rules of the configuration.
        data_dir: folder of the file with the rules that were made.
        report: logs what can't be read.
    """

    def __init__(self, settings: AlertsSettings, data_dir: Path, report: Report) -> None:
        self._notify = list(settings.notify)
        self._configured: Mapping[str, QueryRule] = settings.rules.own
        self._path = data_dir / FILE_NAME
        self._report = report
        self._tables = self._load()
        self._made: dict[str, QueryRule] = {}
        for name, table in self._tables.items():
            try:
                self._made[name] = _made(name, table)
            except ConfigError as error:  # the table stays in the file
                report("warning", f"alerts: {FILE_NAME}: {error}")

    def configure(self, rules: Mapping[str, QueryRule]) -> None:
        """Take other rules of the configuration."""
        self._configured = rules

    def rules(self) -> dict[str, QueryRule]:
        """Return all rules by name; one of the configuration goes before one that was made, of the same name."""
        urls = self._urls()
        made = {
            name: msgspec.structs.replace(rule, targets=[urls[one] for one in rule.targets if one in urls])
            for name, rule in self._made.items()
            if name not in self._configured
        }
        return {**self._configured, **made}

    def _urls(self) -> dict[str, str]:
        """URLs of the configured targets by name."""
        own = [url for rule in self._configured.values() for url in rule.targets]
        urls = list(dict.fromkeys([*self._notify, *own]))
        return dict(zip(target_names(urls), urls, strict=True))

    def put(self, name: str, table: dict[str, Any], *, is_new: bool) -> None:
        """Make a rule, or replace one that was made; it is in the file when this returns.

        Args:
            name: of the rule.
            table: its settings, as in the configuration, with names of configured targets in `targets`.
            is_new: there must be none of this name; else there must be one.

        Raises:
            ConfigError: a value is not valid.
            RuleConflictError: it exists, or is of the configuration, there are too many, or there is no such target.
            KeyError: there is none to be replaced.
            StorageError: the file can't be written.
        """
        self._check_free(name, is_new=is_new)
        rule = _made(name, table)
        unknown = next((one for one in rule.targets if one not in self._urls()), None)
        if unknown is not None:
            known = ", ".join(self._urls()) or "none: no target is configured"
            raise RuleConflictError(f"{name}.targets: found {unknown!r}, expected some of {known}")
        self._save({**self._tables, name: msgspec.to_builtins(rule)})
        self._made[name] = rule

    def _check_free(self, name: str, *, is_new: bool) -> None:
        if name in self._configured or name in BUILT_IN:
            raise RuleConflictError(f"the rule {name} is of the configuration, and can only be changed there")
        if is_new and name in self._tables:
            raise RuleConflictError(f"there is a rule {name} already")
        if is_new and len(self._tables) >= MADE_MAX:
            raise RuleConflictError(f"there are {MADE_MAX} rules already, which is the limit")
        if not is_new and name not in self._tables:
            raise KeyError(name)

    def remove(self, name: str) -> None:
        """Remove a rule that was made. Raises `KeyError`, `RuleConflictError`, `StorageError` as `put` does."""
        self._check_free(name, is_new=False)
        self._save({key: table for key, table in self._tables.items() if key != name})
        self._made.pop(name, None)

    def document(self) -> list[dict[str, Any]]:
        """Return the settings of each rule, with its origin, and names of targets."""
        names = {url: name for name, url in self._urls().items()}
        known = set(names.values())
        found = []
        for name, rule in self._configured.items():
            row = msgspec.to_builtins(rule)
            row["targets"] = [names[url] for url in rule.targets]
            found.append({"name": name, "origin": CONFIGURATION, "trouble": None, **row})
        for name, rule in self._made.items():
            trouble = None
            if name in self._configured:
                trouble = "not evaluated: a rule of the configuration has this name"
            elif lost := [one for one in rule.targets if one not in known]:
                trouble = f"no longer configured: {', '.join(lost)}"
            found.append({"name": name, "origin": PAGE, "trouble": trouble, **msgspec.to_builtins(rule)})
        return found

    # --- the file ---

    def _load(self) -> dict[str, dict[str, Any]]:
        try:
            file = msgspec.json.decode(self._path.read_bytes(), type=_File)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            aside = self._path.with_suffix(".damaged")
            self._report("warning", f"alerts: {FILE_NAME} can't be read, and is set aside: {error}")
            with suppress(OSError):  # it stays, and is replaced when a rule is made
                self._path.rename(aside)
            return {}
        return file.rules

    def _save(self, tables: dict[str, dict[str, Any]]) -> None:
        try:
            replace_file(self._path, [msgspec.json.encode(_File(VERSION, tables)), b"\n"])
        except OSError as error:
            raise StorageError(f"the rule can't be saved: {error.strerror or error}") from None
        self._tables = tables


def _made(name: str, table: dict[str, Any]) -> QueryRule:
    return query_rule(name, table, name, strict=True)
