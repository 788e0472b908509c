"""Protection of a listener against unintended access: tokens, encryption, and the address of its page."""

from collections.abc import Sequence

from logboom.errors import ConfigError
from logboom.model import Report
from logboom.pipeline.tokens import ADVICE
from logboom.servers.page_urls import page_urls
from logboom.settings import ListenerSettings, Settings


class Exposure:
    """Access that a listener allows to its clients; outgoing listeners allow none.

    Args:
        settings: settings of the server.
        name: name of the listener.
        report: the operational log.
    """

    def __init__(self, settings: Settings, name: str, report: Report) -> None:
        listener = settings.listeners[name]
        self._listener = listener if isinstance(listener, ListenerSettings) else None
        self._needs_token = settings.needs_token(name)
        self._insecure = settings.insecure
        self._name = name
        self._report = report

    def check(self, *, has_tokens: bool) -> None:
        """Warn of unencrypted tokens. Raises `ConfigError` for a listener that is open to a network unintentionally."""
        listener = self._listener
        if listener is None:
            return
        where = f"listener {self._name} on {listener.host}"
        if self._needs_token:
            self._check_tokens(listener, where, has_tokens=has_tokens)
        elif listener.serves_entries and not listener.on_loopback:
            if not self._insecure:
                raise ConfigError(
                    f"{where}: open to the network without a token; set auth to `token`, "
                    "or start with --insecure where you trust the network"
                )
            self._warn(f"{where}: open to the network: every client that reaches it can read every entry")

    def _check_tokens(self, listener: ListenerSettings, where: str, *, has_tokens: bool) -> None:
        if has_tokens:
            if not (listener.tls_cert or listener.on_loopback):
                self._warn(f"{where}: tokens and entries are not encrypted; set tls_cert and tls_key")
        elif getattr(listener, "health_open", False):
            self._report("info", f"{where}: health and metrics only, until there is a token; {ADVICE}")
        else:
            raise ConfigError(
                f"{where}: clients need a token, and there is none. Make one with `logboom token add NAME`, "
                f"{_instead_of_a_token(listener)}"
            )

    def _warn(self, text: str) -> None:
        self._report("warning", text)

    def announce_page(self, ports: Sequence[int]) -> None:
        """Log the URL of the page, if the listener has it on its ports, and the token that the page requires."""
        if self._listener is None or not self._listener.serves_entries:
            return
        urls = " or ".join(page_urls(self._listener, ports[0]))
        hint = "; it asks for a token with the scope read: logboom token add NAME --scope read"
        self._report("info", f"the page is at {urls}{hint if self._needs_token else ''}")


def _instead_of_a_token(settings: ListenerSettings) -> str:
    """Alternatives for a listener that requires a token when there is none."""
    if settings.auth == "auto":
        return "bind it to 127.0.0.1, or start with --insecure where you trust the network"
    if settings.serves_entries and not settings.on_loopback:
        return "or bind it to 127.0.0.1 and set its auth to `auto`"
    return "or set its auth to `auto`, which asks for none here"
