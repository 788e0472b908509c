"""Settings of receivers that also take datagrams: what needs a connection is refused for them."""

from logboom.settings import ListenerSettings


def check_transport(settings: ListenerSettings, transport: str) -> None:
    """Raise ValueError if a setting has no meaning for this transport."""
    if transport != "udp":
        return
    for name, is_set in (
        ("tls_cert", settings.tls_cert),
        ("proxy_from", settings.proxy_from),
        ("auth", settings.auth == "token"),
    ):
        if is_set:
            raise ValueError(
                f'`{name}` needs a connection, and `transport` is "udp": choose "tcp", or leave it out'
            )
