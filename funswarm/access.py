"""Where NATS is, and who we are there. Pure."""

import re
import ssl
from dataclasses import dataclass, field
from typing import Any, Final

DEFAULT_SERVERS: Final = ("nats://127.0.0.1:4222",)
PING_INTERVAL_S: Final = 2  # two unanswered: the connection is given up after some 6 s
RECONNECT_WAIT_S: Final = 0.25
CONNECT_ONE_S: Final = 2
_SAFE_USER: Final = re.compile(r"[A-Za-z0-9_-]+")


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
        parts = (server.rpartition("//") for server in self.servers)
        return ", ".join(f"{scheme}{slashes}{rest.rpartition('@')[2]}" for scheme, slashes, rest in parts)

    @property
    def inbox_prefix(self) -> str:
        """`_INBOX.<user>`: a user can be allowed to read it, and others not; whoever may read `_INBOX.>` may too."""
        return f"_INBOX.{self.user}" if self.user and _SAFE_USER.fullmatch(self.user) else "_INBOX"

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
