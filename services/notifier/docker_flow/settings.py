"""The variables DF_…, as docker-flow-swarm-listener reads them: the one place that knows them. Pure but the secrets.

Defaults are those of its image. Numbers and truths are read as Go reads them: what is no number is 0, what is neither
true nor false is the default.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

from funswarm.errors import Failed
from funswarm.messages import Code

if TYPE_CHECKING:
    from services.settings import Settings

Kind = Literal["service", "node"]
KINDS: Final[tuple[Kind, ...]] = ("service", "node")

SECRETS: Final = Path("/run/secrets")
SECRET_NAMES: Final = tuple(f"df_notify_{verb}_{kind}_url" for verb in ("create", "remove") for kind in KINDS)
_URLS: Final = (  # one of these makes a receiver
    "DF_NOTIFICATION_URL", "DF_NOTIF_CREATE_SERVICE_URL", "DF_NOTIF_REMOVE_SERVICE_URL", "DF_NOTIFY_CREATE_SERVICE_URL",
    "DF_NOTIFY_REMOVE_SERVICE_URL", "DF_NOTIFY_CREATE_NODE_URL", "DF_NOTIFY_REMOVE_NODE_URL",
)  # fmt: skip
_TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE: Final = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,18}")
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Call:
    """A request of a receiver: the URL as it is configured, the method in capitals."""

    url: str
    method: str = "GET"


@dataclass(frozen=True, slots=True)
class Calls:
    """What a receiver is told of one kind; None: that it is not told."""

    create: Call | None = None
    remove: Call | None = None


@dataclass(frozen=True, slots=True)
class Receiver:
    """One who is told. `name`: the `host[:port]` of its URLs; a second of the same in one list is `host[:port]#2`."""

    name: str
    service: Calls | None = None
    node: Calls | None = None

    def calls(self, kind: Kind) -> Calls | None:
        """None: it is told nothing of this kind."""
        return self.service if kind == "service" else self.node

    @property
    def addresses(self) -> frozenset[str]:
        """The names by which the label com.df.notifyService may choose it."""
        address = self.name.partition("#")[0].lower()
        return frozenset({address, re.sub(r":[0-9]*$", "", address)})


@dataclass(frozen=True, slots=True)
class DockerFlowSettings:
    """`label`: who opts in, `key` or `key=value`; empty: none does. `retries`: after the first try.

    `rejected`: URLs that cannot be used, with the reason. Times in seconds.
    """

    receivers: tuple[Receiver, ...] = ()
    label: str = "com.df.notify"
    prefix: str = ""
    node_info: bool = False
    task_addresses: bool = True
    immediately: bool = False
    retries: int = 50
    retry_interval_s: float = 5.0
    retry_max_s: float = 60.0
    connect_timeout_s: float = 5.0
    timeout_s: float = 60.0
    port: int = 8080
    rejected: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        """What is the same for all copies that tell the same to the same: one of them does, of each group."""
        text = repr((self.label, self.prefix, self.receivers))
        return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()

    @classmethod
    def of(
        cls, settings: "Settings", environ: Mapping[str, str], secrets: Mapping[str, str]
    ) -> "DockerFlowSettings | None":
        """None: it is not wanted, as nobody is to be told and FUNSWARM_DOCKER_FLOW is not set.

        `secrets`: the text of the files that there are, by name (see `SECRET_NAMES`).
        """
        if not (settings.docker_flow or secrets or any(environ.get(name) for name in _URLS)):
            return None
        default = cls()
        receivers, rejected = _receivers(environ, secrets)
        return cls(
            receivers=receivers,
            label=environ.get("DF_NOTIFY_LABEL", default.label),
            prefix=environ.get("DF_SERVICE_NAME_PREFIX", default.prefix),
            node_info=_truth(environ, "DF_INCLUDE_NODE_IP_INFO", default=default.node_info),
            task_addresses=_truth(environ, "DF_NODE_IP_INFO_INCLUDES_TASK_ADDRESS", default=default.task_addresses),
            immediately=_truth(environ, "DF_NOTIFY_CREATE_SERVICE_IMMEDIATELY", default=default.immediately),
            retries=max(0, _number(environ, "DF_RETRY", 50)),
            retry_interval_s=max(0, _number(environ, "DF_RETRY_INTERVAL", 5)),
            retry_max_s=settings.docker_flow_retry_max_s,
            connect_timeout_s=settings.docker_flow_connect_timeout_s,
            timeout_s=settings.docker_flow_timeout_s,
            port=settings.docker_flow_port,
            rejected=rejected,
        )


def read_secrets(folder: Path = SECRETS) -> dict[str, str]:
    """The text of the secrets with URLs that there are, without white space around it. Reads files.

    Raises:
        Failed: one is there and cannot be read.
    """
    files = {name: folder / name for name in SECRET_NAMES}
    try:
        return {name: path.read_text(encoding="utf-8").strip() for name, path in files.items() if path.is_file()}
    except (OSError, UnicodeDecodeError) as error:
        raise Failed(f"a secret with Docker Flow's URLs cannot be read: {error}", Code.INVALID) from error


def without_password(url: str) -> str:
    """The URL as it may be shown."""
    return re.sub(r"//[^/@]*@", "//…@", url)


def _receivers(environ: Mapping[str, str], secrets: Mapping[str, str]) -> tuple[tuple[Receiver, ...], tuple[str, ...]]:
    """All who are told, in the order in which they are named, and why some URLs cannot be used."""
    calls: dict[tuple[Kind, str], dict[str, Call]] = {}
    rejected: list[str] = []
    for kind in KINDS:
        for verb in ("create", "remove"):
            listed = [_urls(environ, verb, kind), secrets.get(f"df_notify_{verb}_{kind}_url", "")]
            urls = ",".join(text for text in listed if text).split(",")
            calls[kind, verb] = dict(_named(urls, _methods(environ, verb, kind), rejected))
    names = dict.fromkeys(name for named in calls.values() for name in named)

    def of(kind: Kind, name: str) -> Calls | None:
        create, remove = calls[kind, "create"].get(name), calls[kind, "remove"].get(name)
        return Calls(create, remove) if create or remove else None

    return tuple(Receiver(name, of("service", name), of("node", name)) for name in names), tuple(rejected)


def _urls(environ: Mapping[str, str], verb: str, kind: Kind) -> str:
    names = [f"DF_NOTIFY_{verb.upper()}_{kind.upper()}_URL"]
    if kind == "service":  # the old spellings come first, and one URL for both last
        names = [f"DF_NOTIF_{verb.upper()}_SERVICE_URL", *names, "DF_NOTIFICATION_URL"]
    return next((value for name in names if (value := environ.get(name))), "")


def _methods(environ: Mapping[str, str], verb: str, kind: Kind) -> list[str]:
    text = environ.get(f"DF_NOTIFY_{verb.upper()}_SERVICE_METHOD", "") if kind == "service" else ""
    return [method.strip().upper() or "GET" for method in text.split(",")]


def _named(urls: Sequence[str], methods: Sequence[str], rejected: list[str]) -> Iterator[tuple[str, Call]]:
    """Each URL under its receiver's name; the last method is that of all further URLs."""
    seen: dict[str, list[str]] = {}
    for place, text in enumerate(urls):
        if not (url := text.strip()):
            continue
        if reason := _why_not(url):
            rejected.append(reason)
            continue
        host = urlsplit(url).netloc.rpartition("@")[2]
        others = seen.setdefault(host, [])
        if url in others:
            continue
        others.append(url)
        yield host if len(others) == 1 else f"{host}#{len(others)}", Call(url, methods[min(place, len(methods) - 1)])


def _why_not(url: str) -> str | None:
    """Why nobody can be told at `url`; without what may be a password in it."""
    shown = without_password(url)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return f"{shown!r} is no URL: {error}"
    if parts.scheme not in ("http", "https") or not host:
        return f"{shown!r} is not told: write http://host[:port]/path"
    if _BAD_ESCAPE.search(url) or not url.isprintable() or " " in url:
        return f"{shown!r} is no URL: escape what is not allowed in one"
    return None


def _number(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name)
    if not text:
        return default
    return int(text) if _NUMBER.fullmatch(text) else 0


def _truth(environ: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = environ.get(name, "")
    return text in _TRUE if text in _TRUE | _FALSE else default
