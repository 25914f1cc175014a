"""The public SDK's client, for services that use Funswarm as everybody does: out of our settings. Reads TLS files."""

from funswarm.client import Client
from services.bus.dialing import tls_context
from services.bus.settings import NatsSettings


def sdk_client(settings: NatsSettings, name: str) -> Client:
    """A client that is not connected yet; `name`: who asks, for NATS and for results.

    Raises:
        PermanentError: a TLS file cannot be read, or is none.
    """
    return Client(
        settings.url.split(","),
        prefix=settings.prefix,
        name=name,
        user=settings.user,
        password=settings.password,
        token=settings.token,
        credentials=str(settings.creds_file) if settings.creds_file else None,
        tls=tls_context(settings),
    )
