"""Where the engine is and how patiently it is asked. Pure values; the environment is read by `from_environment`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

DEFAULT_SOCKET: Final = "unix:///var/run/docker.sock"


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """As Docker's own tools: DOCKER_HOST, DOCKER_TLS_VERIFY, DOCKER_CERT_PATH.

    host: None is the default socket. tls_verify: None is unset (TLS only where `cert_path` is given).
    timeout_s bounds each call in whole, list_timeout_s each list. stream_idle_max_s: an event stream without a byte for
    so long is given up, because a peer that is gone looks the same.
    """

    host: str | None = None
    tls_verify: str | None = None
    cert_path: str | None = None
    timeout_s: float = 30.0
    list_timeout_s: float = 120.0
    stream_idle_max_s: float = 600.0
    body_max_bytes: int = 1 << 30
    threads: int = 16

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "EngineSettings":
        return cls(
            host=environment.get("DOCKER_HOST") or None,
            tls_verify=environment.get("DOCKER_TLS_VERIFY"),
            cert_path=environment.get("DOCKER_CERT_PATH") or None,
        )

    @property
    def address(self) -> str:
        return self.host or DEFAULT_SOCKET
