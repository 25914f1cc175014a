"""A service as users describe it: what `docker service create` takes, in one model, unknown fields refused. Pure.

None (or a field left out) means: not said. So a create leaves it to Swarm's own default, and an update leaves it as it
is. `services/scheduler/to_engine.py` turns these values into the Engine's JSON.
"""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, JsonValue, model_validator

from funswarm.spec_parts import (
    Dns,
    FileUse,
    Healthcheck,
    LogDriver,
    Mount,
    NetworkUse,
    PortUse,
    Resources,
    RestartPolicy,
    RolloutConfig,
    Ulimit,
)
from funswarm.spec_types import (
    SHORT_NUMBER,
    SHORT_PORT,
    SHORT_TEXT,
    EnvName,
    LabelKey,
    Line,
    Lines,
    Name,
    Text,
    Uint,
    Words,
    no_reserved,
)
from funswarm.state import Value
from funswarm.units import Duration

REPLICAS_MAX: Final = 100_000
SERVICE_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?")  # SwarmKit's isValidDNSName

_PART = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_HOST = r"(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9a-fA-F:]+\])(?::\d{1,5})?"
_IMAGE = re.compile(
    rf"(?:{_HOST}/)?{_PART}(?:/{_PART})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?", re.ASCII
)


def check_name(name: str) -> str:
    """`name`, where Swarm takes it as a service's name.

    Raises:
        ValueError: what is wrong, and the rule.
    """
    if len(name) > 63:
        raise ValueError(f"a service's name has at most 63 characters, this one has {len(name)}")
    if not SERVICE_NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} cannot be a service's name: use letters, digits, '-' and '_', first and last a letter or digit"
        )
    return name


def _check_image(image: str) -> str:
    if not _IMAGE.fullmatch(image):
        raise ValueError(f"{image!r} is no image: write [registry/]name[:tag][@sha256:…], the name in lower case")
    return image


ServiceName = Annotated[
    str,
    Field(min_length=1, max_length=255, json_schema_extra={"maxLength": 63, "pattern": f"^{SERVICE_NAME.pattern}$"}),
    AfterValidator(check_name),
]
Image = Annotated[
    str,
    Field(min_length=1, max_length=512, json_schema_extra={"pattern": f"^{_IMAGE.pattern}$"}),
    AfterValidator(_check_image),
]
_ONLY_THESE: Final[dict[str, JsonValue]] = {
    "additionalProperties": False
}  # pydantic leaves it out where keys have a pattern
Mode = Literal["replicated", "global", "replicated-job", "global-job"]
Labels = Annotated[dict[LabelKey, Text], Field(max_length=1024), AfterValidator(no_reserved)]
LabelChanges = Annotated[dict[LabelKey, Text | None], Field(max_length=1024), AfterValidator(no_reserved)]


class ServiceFields(Value):
    """What a create and an update both can say."""

    command: Words | None = Field(None, description="Takes the place of the image's ENTRYPOINT")
    args: Words | None = Field(None, description="Takes the place of the image's CMD")
    replicas: Annotated[int, Field(ge=0, le=REPLICAS_MAX)] | None = None
    total: Annotated[int, Field(ge=0, le=REPLICAS_MAX)] | None = Field(None, description="Job: completions wanted")
    max_concurrent: Annotated[int, Field(ge=0, le=REPLICAS_MAX)] | None = Field(None, description="Job: at once")
    networks: Annotated[tuple[Annotated[NetworkUse, SHORT_TEXT], ...], Field(max_length=64)] | None = None
    ports: Annotated[tuple[Annotated[PortUse, SHORT_PORT], ...], Field(max_length=256)] | None = None
    mounts: Annotated[tuple[Annotated[Mount, SHORT_TEXT], ...], Field(max_length=128)] | None = None
    secrets: Annotated[tuple[Annotated[FileUse, SHORT_TEXT], ...], Field(max_length=256)] | None = None
    configs: Annotated[tuple[Annotated[FileUse, SHORT_TEXT], ...], Field(max_length=256)] | None = None
    constraints: Lines | None = Field(None, description="As 'node.role==worker'")
    preferences: Lines | None = Field(None, description="Spread over the values of these, as 'node.labels.zone'")
    max_replicas_per_node: Uint | None = None
    resources: Resources | None = None
    restart_policy: RestartPolicy | None = None
    update_config: RolloutConfig | None = None
    rollback_config: RolloutConfig | None = None
    healthcheck: Healthcheck | None = None
    endpoint_mode: Literal["vip", "dnsrr"] | None = None
    stop_grace_period: Duration | None = None
    stop_signal: Name | None = None
    user: Name | None = None
    groups: Lines | None = None
    workdir: Line | None = None
    hostname: Name | None = Field(None, description="Templates as '{{.Node.Hostname}}' are Swarm's")
    hosts: Annotated[dict[Name, Line], Field(max_length=256)] | None = Field(None, description="Host name -> address")
    dns: Dns | None = None
    tty: bool | None = None
    open_stdin: bool | None = None
    read_only: bool | None = None
    init: bool | None = None
    isolation: Literal["default", "process", "hyperv"] | None = None
    ulimits: Annotated[dict[Name, Annotated[Ulimit, SHORT_NUMBER]], Field(max_length=64)] | None = None
    cap_add: Lines | None = None
    cap_drop: Lines | None = None
    log: LogDriver | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.ports:
            _refuse_twice("port", ((port.published, port.protocol) for port in self.ports if port.published))
        if self.mounts:
            _refuse_twice("mount of", (mount.target for mount in self.mounts))
        if self.networks:
            _refuse_twice("network", (network.name for network in self.networks))
        if self.endpoint_mode == "dnsrr" and any(port.mode == "ingress" for port in self.ports or ()):
            raise ValueError("a port in mode 'ingress' needs endpoint_mode 'vip': use mode 'host' with 'dnsrr'")
        if self.rollback_config and self.rollback_config.failure_action == "rollback":
            raise ValueError(
                "rollback_config.failure_action: there is no way back from a way back; 'pause' or 'continue'"
            )
        return self


class ServiceSpec(ServiceFields):
    """A service to be created."""

    name: ServiceName
    image: Image
    mode: Mode = "replicated"
    env: Annotated[dict[EnvName, Text], Field(max_length=1024, json_schema_extra=_ONLY_THESE)] | None = None
    labels: Labels | None = None
    container_labels: Annotated[dict[LabelKey, Text], Field(max_length=1024)] | None = None
    sysctls: Annotated[dict[Name, Text], Field(max_length=256)] | None = None

    @model_validator(mode="after")
    def _of_the_mode(self) -> Self:
        job = self.mode.endswith("-job")
        if self.replicas is not None and self.mode != "replicated":
            raise ValueError(f"`replicas` is for mode 'replicated': a {self.mode} service takes {_instead(self.mode)}")
        if (self.total, self.max_concurrent) != (None, None) and self.mode != "replicated-job":
            raise ValueError("`total` and `max_concurrent` are for mode 'replicated-job'")
        if job and (self.update_config or self.rollback_config):
            raise ValueError("a job is not rolled out: leave `update_config` and `rollback_config` out")
        return self


class ServicePatch(ServiceFields):
    """The fields to change; those left out (or null) stay as they are.

    `env`, `labels`, `container_labels`, `sysctls`: by key, a null takes the key away. Objects (`resources`,
    `healthcheck` …): their fields that are set. Lists, `hosts` and `ulimits`: as wholes; empty takes all away.
    Swarm changes neither the name nor the mode of a service.
    """

    image: Image | None = None
    env: Annotated[dict[EnvName, Text | None], Field(max_length=1024, json_schema_extra=_ONLY_THESE)] | None = None
    labels: LabelChanges | None = None
    container_labels: Annotated[dict[LabelKey, Text | None], Field(max_length=1024)] | None = None
    sysctls: Annotated[dict[Name, Text | None], Field(max_length=256)] | None = None


def _instead(mode: str) -> str:
    return "`total`" if mode == "replicated-job" else "none (it runs once on each node)"


def _refuse_twice(what: str, values: Iterable[object]) -> None:
    twice = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        raise ValueError(f"the {what} {twice[0]} is there twice")
