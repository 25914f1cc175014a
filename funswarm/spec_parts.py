"""The parts of a service's description: ports, mounts, networks, resources, rollouts, health checks … Pure values.

None means: not said, so Swarm's own default rules. A part may be given in its short form (a text or number) too.
"""

import re
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from funswarm.explain import LIST, NUMBER, TEXT
from funswarm.spec_types import FileMode, LabelKey, Lines, Name, NumericId, PortNumber, Text, Uint
from funswarm.state import Value
from funswarm.units import Duration, Size

MEMORY_MIN_BYTES: Final = 4 * 1024 * 1024  # SwarmKit refuses less: "must be at least 4MiB"
CPUS_MIN: Final = 0.001  # SwarmKit's smallest

_PORT = re.compile(r"(?:(?P<published>\d{1,5}):)?(?P<target>\d{1,5})(?:/(?P<protocol>tcp|udp|sctp))?")


class NetworkUse(Value):
    """A network by name or id, and the service's other names there."""

    name: Name
    aliases: Annotated[tuple[Name, ...], Field(max_length=64)] = ()
    driver_options: Annotated[dict[Name, Text], Field(max_length=64)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


class PortUse(Value):
    """A port to publish; `published` None: Swarm chooses one. Short: `80` (the target), `"8080:80/tcp"`."""

    target: PortNumber
    published: PortNumber | None = None
    protocol: Literal["tcp", "udp", "sctp"] = "tcp"
    mode: Literal["ingress", "host"] = "ingress"

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError(f"{value!r} is no port")  # noqa: TRY004  pydantic reports ValueErrors only
        if isinstance(value, int):
            return {"target": value}
        if isinstance(value, str):
            match = _PORT.fullmatch(value)
            if not match:
                raise ValueError(
                    f"{value!r} is no port: write '80', '8080:80' or '8080:80/udp', one for each port of a range "
                    "(Swarm publishes on all addresses of a node)"
                )
            return {key: text for key, text in match.groupdict().items() if text}
        return value


_ONLY: Final = {
    "propagation": "bind",
    "no_copy": "volume",
    "driver": "volume",
    "driver_options": "volume",
    "labels": "volume",
    "size": "tmpfs",
    "file_mode": "tmpfs",
}


class Mount(Value):
    """A mount. Short: `"data:/var/lib/data"` (a volume), `"/srv:/srv:ro"` (a bind).

    `source`: the volume's name (None: a new anonymous one), or the absolute path on the node.
    """

    type: Literal["volume", "bind", "tmpfs"] = "volume"
    source: Annotated[str, Field(max_length=4096)] | None = None
    target: Annotated[str, Field(min_length=1, max_length=4096)]
    read_only: bool = False
    propagation: Literal["private", "rprivate", "shared", "rshared", "slave", "rslave"] | None = None
    no_copy: bool | None = None
    driver: Name | None = None
    driver_options: Annotated[dict[Name, Text], Field(max_length=64)] | None = None
    labels: Annotated[dict[LabelKey, Text], Field(max_length=256)] | None = None
    size: Size | None = None
    file_mode: FileMode | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        parts = value.split(":")
        if len(parts) not in (2, 3) or (len(parts) == 3 and parts[2] not in ("ro", "rw")):
            raise ValueError(f"{value!r} is no mount: write 'volume:/path', '/path:/path' or '…:ro', or an object")
        kind = "bind" if parts[0].startswith("/") else "volume"
        return {"type": kind, "source": parts[0], "target": parts[1], "read_only": parts[2:] == ["ro"]}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for field, kind in _ONLY.items():
            if getattr(self, field) is not None and self.type != kind:
                raise ValueError(f"`{field}` is for a {kind} mount, and the mount of {self.target!r} is a {self.type}")
        if self.type == "bind" and not self.source:
            raise ValueError(f"the bind mount of {self.target!r} needs `source`, a path on the node")
        if self.type == "tmpfs" and self.source:
            raise ValueError(f"the tmpfs mount of {self.target!r} takes no `source`")
        if self.driver_options and not self.driver:
            raise ValueError(
                f"the mount of {self.target!r} has `driver_options` without `driver` ('local' for Docker's)"
            )
        return self


class FileUse(Value):
    """A secret or config by name or id, as a file in the container; `target` None: under its own name."""

    name: Name
    target: Annotated[str, Field(min_length=1, max_length=4096)] | None = None
    uid: NumericId = "0"
    gid: NumericId = "0"
    mode: FileMode = Field(0o444, description="As a number, or in octal as text: '0440'")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


class Amounts(Value):
    """Amounts of one task; 0 takes a limit or reservation away. CPUs in cores, `memory` as '64M' or bytes."""

    cpus: Annotated[float, Field(ge=0, le=4096, allow_inf_nan=False)] | None = None
    memory: Size | None = None

    @model_validator(mode="after")
    def _not_too_small(self) -> Self:
        if self.memory and self.memory < MEMORY_MIN_BYTES:
            raise ValueError(f"{self.memory} bytes of memory is too little: Swarm takes 4M or more, or 0 for none")
        if self.cpus and self.cpus < CPUS_MIN:
            raise ValueError(f"{self.cpus:g} CPUs is too little: Swarm takes 0.001 or more, or 0 for none")
        return self


class Limits(Amounts):
    """What a task can use at most."""

    pids: Uint | None = None


Generic = Annotated[
    Annotated[Uint, Tag(NUMBER)] | Annotated[tuple[Name, ...], Field(max_length=64), Tag(LIST)],
    Discriminator(lambda value: LIST if isinstance(value, list | tuple) else NUMBER),
]


class Reservations(Amounts):
    """What must be free on a node. `generic`: kind -> a number, or the names of the resources."""

    generic: Annotated[dict[Name, Generic], Field(max_length=64)] | None = None


class Resources(Value):
    """Limits and reservations of each task."""

    limits: Limits | None = None
    reservations: Reservations | None = None


class RestartPolicy(Value):
    """When Swarm replaces a task that ended."""

    condition: Literal["none", "on-failure", "any"] | None = None
    delay: Duration | None = None
    max_attempts: Uint | None = None
    window: Duration | None = None


class RolloutConfig(Value):
    """How Swarm rolls an update out, or back; `parallelism` 0: all at once."""

    parallelism: Uint | None = None
    delay: Duration | None = None
    monitor: Duration | None = None
    failure_action: Literal["pause", "continue", "rollback"] | None = None
    max_failure_ratio: Annotated[float, Field(ge=0, le=1)] | None = None
    order: Literal["stop-first", "start-first"] | None = None


Test = Annotated[
    Annotated[str, Field(max_length=65_536), Tag(TEXT)] | Annotated[tuple[Text, ...], Field(max_length=512), Tag(LIST)],
    Discriminator(lambda value: TEXT if isinstance(value, str) else LIST),
]


class Healthcheck(Value):
    """`test`: a text for the shell, or the words of a command; empty: the image's own. `disable`: none at all."""

    test: Test | None = None
    interval: Duration | None = None
    timeout: Duration | None = None
    retries: Uint | None = None
    start_period: Duration | None = None
    start_interval: Duration | None = None
    disable: bool = False

    @model_validator(mode="after")
    def _one_or_the_other(self) -> Self:
        if self.disable and self.model_dump(exclude={"disable"}, exclude_none=True):
            raise ValueError("`disable` stands alone: leave the other fields out")
        return self


class Dns(Value):
    """The resolver of the containers."""

    nameservers: Lines | None = None
    search: Lines | None = None
    options: Lines | None = None


class Ulimit(Value):
    """Soft and hard limit. Short: one number for both."""

    soft: Annotated[int, Field(ge=-1)]
    hard: Annotated[int, Field(ge=-1)]

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"soft": value, "hard": value} if isinstance(value, int) else value


class LogDriver(Value):
    """Where the containers' output goes."""

    driver: Name
    options: Annotated[dict[Name, Text], Field(max_length=64)] | None = None
