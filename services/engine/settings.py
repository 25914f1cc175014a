"""Where the engine is and how patiently it is asked. Values; `from_environment` looks which sockets there are."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DEFAULT_SOCKET: Final = "unix:///var/run/docker.sock"


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """As Docker's own tools: DOCKER_HOST, DOCKER_TLS_VERIFY, DOCKER_CERT_PATH, else the default socket.

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
        """Where DOCKER_HOST is not set and the default socket is not there: Docker Desktop's or the rootless one."""
        return cls(
            host=environment.get("DOCKER_HOST") or _socket_of_user(environment),
            tls_verify=environment.get("DOCKER_TLS_VERIFY"),
            cert_path=environment.get("DOCKER_CERT_PATH") or None,
        )

    @property
    def address(self) -> str:
        return self.host or DEFAULT_SOCKET


def _socket_of_user(environment: Mapping[str, str]) -> str | None:
    """A socket that only this user has; None where there is none or all users' one is there."""
    homes = (("HOME", ".docker/run/docker.sock"), ("XDG_RUNTIME_DIR", "docker.sock"))
    users = (Path(environment[home]) / path for home, path in homes if environment.get(home))
    if Path(DEFAULT_SOCKET.removeprefix("unix://")).exists():
        return None
    return next((f"unix://{path}" for path in users if path.exists()), None)
