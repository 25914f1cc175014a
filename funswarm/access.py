"""Where NATS is, and who we are there. Pure."""

import re
import ssl
from dataclasses import dataclass, field
from typing import Final

DEFAULT_SERVERS: Final = ("nats://127.0.0.1:4222",)


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
