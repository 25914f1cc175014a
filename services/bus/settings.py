"""What the bus needs to know; built from services.settings in each part's `__main__`. Pure."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from funswarm.subjects import DEFAULT_PREFIX

if TYPE_CHECKING:
    from services.settings import Settings


@dataclass(frozen=True, slots=True)
class NatsSettings:
    """Where NATS is, who we are there, and how its streams are kept.

    `url`: one address or several, joined by commas. `creds_file`: needs nats-py's extra `nkeys`.
    """

    url: str = "nats://127.0.0.1:4222"
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    creds_file: Path | None = None
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    connect_timeout_s: float = 30.0
    prefix: str = DEFAULT_PREFIX
    replicas: int = 1
    events_max_age_s: float = 7 * 24 * 3600.0
    events_max_bytes: int = 2**30
    results_max_age_s: float = 7 * 24 * 3600.0
    results_max_bytes: int = 2**28
    audit_max_age_s: float = 90 * 24 * 3600.0
    audit_max_bytes: int = 2**28

    @classmethod
    def of(cls, settings: "Settings") -> "NatsSettings":
        """The part of all settings that the bus needs."""
        return cls(
            url=settings.nats_url,
            user=settings.nats_user,
            password=settings.nats_password,
            token=settings.nats_token,
            creds_file=settings.nats_creds,
            tls_ca=settings.nats_tls_ca,
            tls_cert=settings.nats_tls_cert,
            tls_key=settings.nats_tls_key,
            connect_timeout_s=settings.nats_connect_timeout_s,
            prefix=settings.prefix,
            replicas=settings.stream_replicas,
            events_max_age_s=settings.events_max_age_s,
            events_max_bytes=settings.events_max_bytes,
            results_max_age_s=settings.results_max_age_s,
            results_max_bytes=settings.results_max_bytes,
            audit_max_age_s=settings.audit_max_age_s,
            audit_max_bytes=settings.audit_max_bytes,
        )
