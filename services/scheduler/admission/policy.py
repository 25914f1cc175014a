"""The policy's file as values: what is allowed beyond the default, what is capped, what is protected. Pure.

A file is parsed by `loading`, judged with by `rules`. Unknown fields are refused, so that a misspelt one cannot leave a
door open. What a file leaves out is as without a file: no access to the host, all else free.
"""

import posixpath
import re
from fnmatch import translate
from functools import lru_cache
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from funswarm.units import Size
from services.scheduler.admission import images

Rule = Literal[
    "images", "digests", "mounts", "engine-socket", "volume-drivers", "capabilities", "privileges", "sysctls",
    "host-network", "host-ports", "runtime", "generic-resources", "ulimits", "isolation", "log-drivers", "oom-score",
    "users", "unknown-fields", "reserved-labels", "required-labels", "protected-services", "protected-hosts",
    "protected-files", "kept-access", "modes", "replicas", "resources", "quotas", "policy",
]  # fmt: skip

# Those of https://kubernetes.io/docs/concepts/security/pod-security-standards/: of the container's own namespaces.
SAFE_SYSCTLS: Final = (
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start", "net.ipv4.ping_group_range", "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_syncookies",
)  # fmt: skip
DOCKERS_LOG_DRIVERS: Final = (
    "awslogs", "etwlogs", "fluentd", "gcplogs", "gelf", "journald", "json-file", "local", "none", "splunk", "syslog",
)  # fmt: skip


def _capability(text: str) -> str:
    return text.strip().upper().removeprefix("CAP_")


def _host_path(text: str) -> str:
    path = text.removesuffix(":ro").removesuffix("/**") or "/"
    if not path.startswith("/") or path != "/" + posixpath.normpath(path).lstrip("/") or "*" in path:
        raise ValueError(f"{text!r} is no path of a node: write it whole, as '/srv/data', '/srv/data:ro' or '/srv/**'")
    return text


Pattern = Annotated[str, Field(min_length=1, max_length=255)]
Patterns = tuple[Pattern, ...]
Repository = Annotated[str, Field(min_length=1, max_length=512), AfterValidator(images.pattern)]
Capability = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_capability)]
HostPath = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_host_path)]
AnyCase = Annotated[Patterns, AfterValidator(lambda patterns: tuple(one.casefold() for one in patterns))]
Count = Annotated[int, Field(ge=0)]


class Section(BaseModel):
    """A part of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Images(Section):
    """`allowed` None: all; `*` is any name between slashes, `**` any number of them. `pinned`: only by digest."""

    allowed: tuple[Repository, ...] | None = None
    pinned: bool = False


class Mounts(Section):
    """Besides named volumes of Docker's own driver and tmpfs.

    `host_paths`: exactly these, with `/**` also what is below, with `:ro` only to read. `engine_socket`: of these also
    those that lead to the engine's socket. `volume_options`: exactly these sets of options, as
    `{type: nfs, o: …, device: …}`. `images`: mounts of images that `images.allowed` names. `cluster`: CSI volumes.
    """

    host_paths: tuple[HostPath, ...] = ()
    engine_socket: bool = False
    volume_drivers: Patterns = ("local",)
    volume_options: tuple[dict[str, str], ...] = ()
    images: bool = False
    cluster: bool = False


class Resources(Section):
    """Of one task; with a cap, a service must have that limit. None: no cap."""

    cpus_max: float | None = Field(None, gt=0)
    memory_max: Size | None = None
    pids_max: Annotated[int, Field(gt=0)] | None = None


class Labels(Section):
    """`reserved`: nobody sets, changes or takes away labels of such keys. `required`: key -> a pattern of its value."""

    reserved: AnyCase = ("funswarm.command", "funswarm.traceparent", "funswarm.protected", "com.docker.*")
    required: dict[Pattern, Pattern] = {}


class Protected(Section):
    """What no command touches: the defaults are the services of stack.yml, and the files that they read.

    `labels`: services with one of them, whatever its value. `hosts`: names under which nobody else may be found in
    `networks`, which would get to hear the passwords of those who look for them there.
    """

    services: Patterns = ("funswarm_nats", "funswarm_poller", "funswarm_scheduler", "funswarm_notifier", "funswarm_api")
    labels: Patterns = ("funswarm.protected",)
    secrets: Patterns = (
        "funswarm-nats-passwords", "funswarm-poller-password", "funswarm-scheduler-password", "funswarm-api-password",
        "funswarm-notifier-password", "funswarm-agent-password", "funswarm-http-tokens", "funswarm-traefik-token",
        "funswarm-nats-ca", "funswarm-nats-certificate", "funswarm-nats-key", "funswarm-http-certificate",
    )  # fmt: skip
    configs: Patterns = ("funswarm-nats-*",)
    volumes: Patterns = ("funswarm_nats",)
    networks: Patterns = ("fun-swarm",)
    hosts: AnyCase = ("nats", "poller", "scheduler", "notifier", "api", "funswarm_*")


class Quota(Section):
    """Of one namespace: services, and the sum of their replicas (a job's: total completions; a global one is 1)."""

    services: Count | None = None
    replicas: Count | None = None


class Exemption(Section):
    """Services by name, with images by repository, that the rules named do not judge."""

    services: Annotated[Patterns, Field(min_length=1)]
    images: Annotated[tuple[Repository, ...], Field(min_length=1)] = ("**",)
    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]


class Policy(Section):
    """All of the file; `Policy()` is the policy where there is none. Patterns are shell's: `*`, `?`, `[…]`."""

    images: Images = Images()
    mounts: Mounts = Mounts()
    capabilities: tuple[Capability, ...] = Field((), description="That may be added; ALL allows all")
    privileges: bool = Field(False, description="SELinux, AppArmor, seccomp and credentials other than Docker's own")
    no_new_privileges: bool = Field(False, description="Must be set")
    non_root: bool = Field(False, description="The user must be a number other than 0")
    sysctls: Patterns = SAFE_SYSCTLS
    host_network: bool = False
    host_ports: bool = Field(True, description="Ports in mode host")
    plugins: bool = Field(False, description="Services that are plugins, or anything else than containers")
    generic_resources: Patterns = ("*",)
    ulimits: Patterns = ("*",)
    isolation: Patterns = ("default", "process", "hyperv")
    log_drivers: Patterns = DOCKERS_LOG_DRIVERS
    oom_score_min: int = Field(0, ge=-1000, le=1000, description="Below it, other processes would be killed before")
    unknown_fields: bool = Field(False, description="Fields of an engine newer than this Funswarm")
    kept_access: Literal["same-code", "any-code"] = Field(
        "same-code", description="What an update may change where a service keeps access that is not allowed any more"
    )
    modes: Patterns = ("replicated", "global", "replicated-job", "global-job")
    replicas_max: Count | None = Field(None, description="Of one service; of a job: total completions")
    resources: Resources = Resources()
    labels: Labels = Labels()
    protected: Protected = Protected()
    quotas: dict[str, Quota] = Field({}, description="Namespace -> quota; '*': each of the others")
    exemptions: tuple[Exemption, ...] = ()

    def quota(self, namespace: str) -> Quota | None:
        """The quota of a namespace; None: it has none."""
        return self.quotas.get(namespace) or self.quotas.get("*")


def matches(text: str, patterns: Patterns) -> bool:
    """Whether one of shell's patterns is of the text; capitals matter."""
    return _compiled(patterns).match(text) is not None


@lru_cache(maxsize=1024)
def _compiled(patterns: Patterns) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, patterns)) or "(?!)")
