"""Where NATS is and who we are there, out of our settings. Reads the TLS files."""

import ssl

from funswarm.access import Access
from funswarm.errors import PermanentError
from services.bus.settings import NatsSettings


def access_of(settings: NatsSettings, name: str) -> Access:
    """`name`: who connects, as NATS shows it.

    Raises:
        PermanentError: a TLS file cannot be read, or is none.
    """
    return Access(
        tuple(settings.url.split(",")),
        name,
        settings.user,
        settings.password,
        settings.token,
        str(settings.creds_file) if settings.creds_file else None,
        tls_context(settings),
    )


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
