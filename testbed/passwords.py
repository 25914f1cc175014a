"""The passwords of a testbed Swarm's deployment: of NATS's users, and tokens for the HTTP api. Files.

They stay in a file of the machine that only its owner reads, so that a second deployment uses the same ones.
"""

import hashlib
import json
import secrets

from testbed.shell import cache_folder, locked

USERS = ("poller", "scheduler", "notifier", "api", "client", "reader", "agent")
HTTP = "http"  # stands for an admin's token among the passwords
PROXY = "proxy"  # and this for that of Traefik, which only reads


def kept_passwords(name: str) -> dict[str, str]:
    """Those of the testbed Swarm of that name; made where they are missing."""
    file = cache_folder() / f"{name}-passwords.json"
    with locked("passwords"):
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text("{}")
        kept = {**new_passwords(), **json.loads(file.read_text())}
        file.write_text(json.dumps(kept))
    return kept


def new_passwords() -> dict[str, str]:
    """A random password for each. A letter first: nats-server reads a leading digit or `$` as something else."""
    return {name: "p" + secrets.token_urlsafe(32) for name in (*USERS, HTTP, PROXY)}


def passwords_conf(passwords: dict[str, str]) -> str:
    """The file that services/nats.conf includes: one variable for each user. Pure."""
    return "".join(f'{user.upper()}_PASSWORD: "{passwords[user]}"\n' for user in USERS)


def http_tokens(passwords: dict[str, str]) -> str:
    """The api's file of tokens, as `funswarm token new` writes its lines: an admin and a reader. Pure."""
    lines = [
        {"name": name, "role": role, "sha256": hashlib.sha256(passwords[password].encode()).hexdigest()}
        for name, role, password in (("testbed", "admin", HTTP), ("traefik", "read", PROXY))
    ]
    return "".join(json.dumps(line) + "\n" for line in lines)
