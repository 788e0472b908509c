"""Rules with a query: those of the configuration, and those made by people, which a durable file has."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from logboom.errors import ConfigError, StorageError
from logboom.model import Report
from logboom.ops.alerts.alert_settings import BUILT_IN, AlertsSettings, QueryRule, query_rule
from logboom.ops.alerts.names import target_id, target_names
from logboom.ops.kept_file import FileWords, KeptFile

FILE_NAME: Final = "alert-rules-made.json"
VERSION: Final = 1

MADE_MAX: Final = 50
"""Most rules that people make, besides those of the configuration: each is evaluated for every entry."""

CONFIGURATION: Final = "configuration"
PAGE: Final = "page"
"""Origins of rules."""

LOST: Final = "(no longer configured)"
"""Mark of a target that is gone: another one may have its name now."""


class RuleConflictError(ConfigError):
    """A rule does not fit to others, or to the configuration."""


class _File(msgspec.Struct):
    version: int
    rules: dict[str, dict[str, Any]]
    target_ids: dict[str, dict[str, str]] = {}
    """By rule, the id of each target by the name that it had when the rule was saved."""


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
        self._file = KeptFile(data_dir / FILE_NAME, _File, VERSION, FileWords("alerts", "rule"), report)
        file = self._file.load() or _File(VERSION, {})
        self._tables, self._ids = file.rules, file.target_ids
        self._made: dict[str, QueryRule] = {}
        for name, table in self._tables.items():
            try:
                self._made[name] = _made(name, table)
            except ConfigError as error:  # the table stays in the file
                report("warning", f"alerts: {FILE_NAME}: {error}")
        self._add_ids()

    def _add_ids(self) -> None:
        """Add the ids of targets that an older version saved by name only."""
        urls = self._urls()
        ids = {
            name: {one: target_id(urls[one]) for one in rule.targets if one in urls} | self._ids.get(name, {})
            for name, rule in self._made.items()
        }
        ids = {**self._ids, **{name: found for name, found in ids.items() if found}}
        if ids != self._ids:
            self._ids = ids
            with suppress(StorageError):  # they are saved with the next change
                self._save(self._tables, ids)

    def configure(self, rules: Mapping[str, QueryRule]) -> None:
        """Take other rules of the configuration."""
        self._configured = rules

    def rules(self) -> dict[str, QueryRule]:
        """Return all rules by name; one of the configuration goes before one that was made, of the same name."""
        urls = {target_id(url): url for url in self._urls().values()}
        made = {
            name: msgspec.structs.replace(
                rule, targets=[urls[one] for one in self._target_ids(name) if one in urls]
            )
            for name, rule in self._made.items()
            if name not in self._configured
        }
        return {**self._configured, **made}

    def lost(self) -> set[str]:
        """Names of the rules that have targets of their own, of which none is configured any longer."""
        return {
            name
            for name, rule in self.rules().items()
            if name not in self._configured and self._made[name].targets and not rule.targets
        }

    def _target_ids(self, name: str) -> list[str]:
        """Return the ids of the targets of a rule that was made; empty for one that has never been found."""
        ids = self._ids.get(name, {})
        return [ids.get(one, "") for one in self._made[name].targets]

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
            StorageError: the file can't be written, or could not be read at the start.
        """
        self._check_free(name, is_new=is_new)
        rule = _made(name, table)
        urls = self._urls()
        unknown = next((one for one in rule.targets if one not in urls), None)
        if unknown is not None:
            known = ", ".join(urls) or "none: no target is configured"
            raise RuleConflictError(f"{name}.targets: found {unknown!r}, expected some of {known}")
        ids = {one: target_id(urls[one]) for one in rule.targets}
        self._save({**self._tables, name: msgspec.to_builtins(rule)}, {**self._ids, name: ids})
        self._made[name] = rule

    def _check_free(self, name: str, *, is_new: bool) -> None:
        if name in self._configured or name in BUILT_IN:
            raise RuleConflictError(f"the rule {name} is of the configuration, and can only be changed there")
        self._file.check()
        if is_new and name in self._tables:
            raise RuleConflictError(f"there is a rule {name} already")
        if is_new and len(self._tables) >= MADE_MAX:
            raise RuleConflictError(f"there are {MADE_MAX} rules already, which is the limit")
        if not is_new and name not in self._tables:
            raise KeyError(name)

    def remove(self, name: str) -> None:
        """Remove a rule that was made. Raises `KeyError`, `RuleConflictError`, `StorageError` as `put` does."""
        if name not in self._made:  # one that was made can be hidden by one of the configuration
            self._check_free(name, is_new=False)
        self._save(
            {key: table for key, table in self._tables.items() if key != name},
            {key: ids for key, ids in self._ids.items() if key != name},
        )
        self._made.pop(name, None)

    def document(self) -> list[dict[str, Any]]:
        """Return the settings of each rule, with its origin, and names of targets."""
        names = {url: name for name, url in self._urls().items()}
        by_id = {target_id(url): name for url, name in names.items()}
        found = []
        for name, rule in self._configured.items():
            row = msgspec.to_builtins(rule)
            row["targets"] = [names[url] for url in rule.targets]
            found.append({"name": name, "origin": CONFIGURATION, "trouble": None, **row})
        for name, rule in self._made.items():
            pairs = list(zip(self._target_ids(name), rule.targets, strict=True))
            lost = [one for key, one in pairs if key not in by_id]
            trouble = None
            if name in self._configured:
                trouble = "not evaluated: a rule of the configuration has this name"
            elif lost:
                trouble = f"no longer configured: {', '.join(lost)}"
                if len(lost) == len(pairs):
                    trouble = f"notifies no target: {trouble}"
            row = msgspec.to_builtins(rule)
            row["targets"] = [by_id.get(key, f"{one} {LOST}") for key, one in pairs]
            found.append({"name": name, "origin": PAGE, "trouble": trouble, **row})
        return found

    # --- the file ---

    def _save(self, tables: dict[str, dict[str, Any]], ids: dict[str, dict[str, str]]) -> None:
        self._file.save(_File(VERSION, tables, ids))
        self._tables, self._ids = tables, ids


def _made(name: str, table: dict[str, Any]) -> QueryRule:
    if name in BUILT_IN:
        raise RuleConflictError(f"{name} is left out: a built-in rule has this name")
    return query_rule(name, table, name, strict=True)
