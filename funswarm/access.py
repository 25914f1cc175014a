"""Where NATS is, and who we are there. Pure."""

import re
import ssl
from dataclasses import dataclass, field
from typing import Any, Final

DEFAULT_SERVERS: Final = ("nats://127.0.0.1:4222",)
PING_INTERVAL_S: Final = 3  # two unanswered: the connection is given up after 9 s at most
RECONNECT_WAIT_S: Final = 0.25
CONNECT_ONE_S: Final = 2


@dataclass(frozen=True, slots=True)
class Access:
    """Where NATS is and who we are there. `credentials`: the path of a .creds file."""

    servers: tuple[str, ...] = DEFAULT_SERVERS
    name: str = "funswarm"
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    credentials: str | None = None
    tls: ssl.SSLContext | None = None

    @property
    def place(self) -> str:
        """The servers for people, without the passwords that a URL may hold."""
        return ", ".join(re.sub(r"//[^/@]*@", "//", server) for server in self.servers)

    def options(self) -> dict[str, Any]:
        """As nats-py's `connect` takes them: it reconnects for ever, and finds a dead connection soon."""
        return {
            "servers": list(self.servers),
            "name": self.name,
            "user": self.user,
            "password": self.password,
            "token": self.token,
            "user_credentials": self.credentials,
            "tls": self.tls,
            "connect_timeout": CONNECT_ONE_S,
            "reconnect_time_wait": RECONNECT_WAIT_S,
            "max_reconnect_attempts": -1,
            "ping_interval": PING_INTERVAL_S,
            "max_outstanding_pings": 2,
        }
