"""Whether a request means this server by its Host. Pure.

A page of any name can have that name resolve to 127.0.0.1 (DNS rebinding): to its browser this server is then the
page's own, and nothing else tells that another site commands. An address cannot be bent like that, only a name.
"""

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

LOCAL = "localhost"


def known_hosts(bound_to: str, more: Iterable[str]) -> frozenset[str] | None:
    """The names under which a server that listens on `bound_to` may be asked for; None: under any.

    Who listens on more than this machine's loopback, and names none, has names that we cannot know.
    """
    names = frozenset(name.lower().rstrip(".") for name in more)
    if not names and not is_loopback(bound_to):
        return None
    return names | {LOCAL}


def is_known(host: str, known: frozenset[str] | None) -> bool:
    """`host`: the header, with or without a port."""
    if known is None:
        return True
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    return name in known or name.endswith(f".{LOCAL}") or _is_address(name)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens on `host`."""
    return host == LOCAL or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
