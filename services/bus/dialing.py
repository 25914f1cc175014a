"""How a connection to NATS is made: nats-py's options out of our settings. Reads the TLS files."""

import re
import ssl
from typing import Any, Final

from funswarm.errors import PermanentError
from services.bus.settings import NatsSettings

PING_INTERVAL_S: Final = 2
PINGS_MAX: Final = 2  # unanswered, then the connection is given up
RECONNECT_WAIT_S: Final = 0.25
ONE_CONNECT_S: Final = 2

_USER = re.compile(r"[A-Za-z0-9_-]+")


def inbox_prefix(settings: NatsSettings) -> str:
    """`_INBOX.<user>`: a user can be allowed to read it, and others not; whoever may read `_INBOX.>` may too."""
    return f"_INBOX.{settings.user}" if settings.user and _USER.fullmatch(settings.user) else "_INBOX"


def dial_options(settings: NatsSettings, name: str) -> dict[str, Any]:
    """What nats-py's `connect` takes, but the callbacks. It tries for ever: whoever calls it sets the bound.

    Raises:
        PermanentError: a TLS file cannot be read, or is none.
    """
    options: dict[str, Any] = {
        "servers": settings.url.split(","),
        "name": name,
        "user": settings.user,
        "password": settings.password,
        "token": settings.token,
        "connect_timeout": ONE_CONNECT_S,
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": RECONNECT_WAIT_S,
        "ping_interval": PING_INTERVAL_S,
        "max_outstanding_pings": PINGS_MAX,
    }
    if settings.creds_file is not None:
        options["user_credentials"] = str(settings.creds_file)
    if (context := tls_context(settings)) is not None:
        options["tls"] = context
    return options


def tls_context(settings: NatsSettings) -> ssl.SSLContext | None:
    """None: no TLS files are given.

    Raises:
        PermanentError: one cannot be read, or is none.
    """
    if settings.tls_ca is None and settings.tls_cert is None:
        return None
    try:
        context = ssl.create_default_context(cafile=settings.tls_ca)
        if settings.tls_cert is not None:
            context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except OSError as error:  # ssl.SSLError too
        files = ", ".join(str(file) for file in (settings.tls_ca, settings.tls_cert, settings.tls_key) if file)
        raise PermanentError(f"FUNSWARM_NATS_TLS_CA, _CERT or _KEY ({files}) cannot be used: {error}") from error
    return context
