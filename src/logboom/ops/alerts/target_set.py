"""The notification targets, and the choice of the changes that each gets."""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from logboom.ops.alerts.alert_settings import AlertsSettings, QueryRule
from logboom.ops.alerts.lifecycle import FIRING, Alert, Change, Key
from logboom.ops.alerts.names import target_id, target_names
from logboom.ops.alerts.notification import Message
from logboom.ops.alerts.outbox import Backlog
from logboom.ops.alerts.sender import TargetSender


class TargetSet:
    """Targets of all rules: those of `alerts.notify`, and those that rules with a query have of their own.

    Args:
        settings: validated settings.
        make: makes the sender of a target, from its name and URL.
    """

    def __init__(self, settings: AlertsSettings, make: Callable[[str, str], TargetSender]) -> None:
        self._notify = list(settings.notify)
        self._make = make
        self._routes: dict[str, list[str]] = {}
        self._by_url: dict[str, TargetSender] = {}
        self.configure(settings.rules.own)

    def configure(self, rules: Mapping[str, QueryRule], lost: Collection[str] = ()) -> None:
        """Take the targets of other rules; senders that stay keep what they have to send.

        Args:
            rules: by name.
            lost: names of rules that notify no target, because none of theirs is configured any longer.
        """
        self._routes = {name: rule.targets for name, rule in rules.items() if rule.targets or name in lost}
        urls = list(dict.fromkeys([*self._notify, *(url for own in self._routes.values() for url in own)]))
        by_url = {}
        for name, url in zip(target_names(urls), urls, strict=True):
            by_url[url] = self._by_url.get(url) or self._make(name, url)
            by_url[url].name = name
        self._by_url = by_url

    @property
    def senders(self) -> list[TargetSender]:
        """All senders."""
        return list(self._by_url.values())

    def _gets(self, url: str, rule: str) -> bool:
        return url in self._routes.get(rule, self._notify)

    def notify(
        self,
        changes: Sequence[Change],
        firing: Sequence[Alert],
        now: float,
        wall: float,
        *,
        at_once: bool = False,
    ) -> None:
        """Start the delivery of changes to the targets of their rules, see `TargetSender.notify`."""
        for url, sender in self._by_url.items():
            sender.notify(
                [change for change in changes if self._gets(url, change.alert.rule)],
                [alert for alert in firing if self._gets(url, alert.rule)],
                now,
                wall,
                at_once=at_once,
            )

    def send_now(self, names: Collection[str], message: Message) -> dict[str, str | None]:
        """Send a message to some targets at the same time, and wait for the answers.

        Args:
            names: of the targets.
            message: to be sent.

        Returns:
            By name, the reason of a failure, or None.
        """
        senders = [one for one in self.senders if one.name in names]
        if not senders:
            return {}
        with ThreadPoolExecutor(len(senders), "alerts-test") as pool:
            reasons = pool.map(lambda sender: sender.send_now(message), senders)
            return {sender.name: reason for sender, reason in zip(senders, reasons, strict=True)}

    def drop(self, key: Key) -> None:
        """Drop the changes of an alert."""
        for sender in self.senders:
            sender.drop(key)

    def has_changed(self) -> bool:
        """Return whether an outbox has changed since the last call."""
        changed = [sender.has_changed() for sender in self.senders]  # each of them forgets it
        return any(changed)

    def backlogs(self) -> dict[str, Backlog]:
        """Contents of the outboxes by id of their target: a name depends on the other targets."""
        return {target_id(url): sender.backlog() for url, sender in self._by_url.items()}

    def restore(self, backlogs: Mapping[str, Backlog], firing: Sequence[Alert], wall: float) -> None:
        """Restore the outboxes; a target that is new, or has another address, gets what fires.

        Args:
            backlogs: by id of the target; those of older versions, by its name.
            firing: firing alerts.
            wall: current time, seconds since the epoch.
        """
        for url, sender in self._by_url.items():
            backlog = backlogs.get(target_id(url), backlogs.get(sender.name))
            if backlog is not None:
                sender.restore(backlog)
            else:
                changes = [Change(FIRING, one, one.text) for one in firing if self._gets(url, one.rule)]
                sender.put(changes, wall)
