"""Trust of a client: certificate authorities, its own certificate, and its token."""

import os
import ssl
from dataclasses import dataclass, field, replace
from typing import Final

from logboom.errors import ConfigError
from logboom.formats.redaction import redacted_url

SECURE_SCHEMES: Final = frozenset({"tcps", "tls", "capnps", "grpcs", "wss", "https"})
"""URL schemes whose connections are encrypted."""


@dataclass(frozen=True)
class Trust:
    """Whom a client trusts, and what it shows. Files are read for each connection: renewed ones are taken up."""

    ca: str = ""
    """PEM file of the authority that signed the server's certificate; empty: those of the system."""
    client_cert: str = ""
    """PEM file of this client's own certificate, for servers that want one; with `client_key`."""
    client_key: str = ""
    verify: bool = True
    """Whether the server must prove who it is."""
    token: str = field(default="", repr=False)
    """For servers that ask for one, encrypted or not; empty: none is shown."""
    user: str = ""
    """The name that stands before the token in a URL; empty: it stood in none."""

    def context(self) -> ssl.SSLContext:
        """A client's context. Raises OSError when a file can't be used; `check` tells why."""
        context = ssl.create_default_context(cafile=self.ca or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.client_cert:
            context.load_cert_chain(self.client_cert, self.client_key, password=_no_password)
        return context

    def check(self) -> None:
        """Raises `ConfigError` when the files can't be used."""
        if bool(self.client_cert) != bool(self.client_key):
            raise ConfigError("a client certificate and its key belong together: give both, or none")
        for what, path in (
            ("--ca", self.ca),
            ("--client-cert", self.client_cert),
            ("--client-key", self.client_key),
        ):
            if path and not os.access(path, os.R_OK):
                raise ConfigError(f"{what}: can't read {path}")
        try:
            self.context()
        except ssl.SSLError as error:
            detail = error.reason or "PEM is expected"
            files = ", ".join(path for path in (self.ca, self.client_cert, self.client_key) if path)
            raise ConfigError(f"can't use {files}: {detail.lower().replace('_', ' ')}") from None


SYSTEM: Final = Trust()
"""The authorities of the system, and no certificate of one's own."""


def trust_for(trust: Trust, url: str) -> Trust:
    """Check that what was asked for makes sense for a URL.

    Raises:
        ConfigError: it does not, or a file can't be used.
    """
    secure = url.partition("://")[0].lower() in SECURE_SCHEMES
    if replace(trust, token="", user="") != SYSTEM and not secure:
        raise ConfigError(
            f"{redacted_url(url)!r} is not encrypted, so certificates mean nothing; "
            "encrypted are tcps://, capnps://, grpcs://, wss:// and https://"
        )
    if secure:
        trust.check()
    return trust


def _no_password() -> str:
    raise OSError(
        "the key of the client certificate has a password; a client that runs by itself can't type it"
    )
