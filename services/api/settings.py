"""What the api needs to know, as its `__main__` builds it. Pure."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from funswarm.errors import InvalidRequest
from funswarm.explain import explain
from funswarm.spec import ServiceSpec
from funswarm.task_routes import NO_ROUTING, TaskRouting
from services.api.followed import STALE_MAX_S
from services.api.hosts import known_hosts
from services.api.traefik.constraints import constraint
from services.api.traefik.rules import DEFAULT_RULE, Rule
from services.api.traefik.settings import TraefikSettings
from services.settings import Settings

LOOPBACK: Final = "127.0.0.1"
ALL: Final = "0.0.0.0"
BODY_BYTES_MAX: Final = 1024 * 1024
WAIT_S: Final = 20.0
WAIT_MAX_S: Final = 300.0
STREAMS_MAX: Final = 256
REQUESTS_MAX: Final = STREAMS_MAX + 512  # being answered at once, streams of events among them
CONNECTIONS_MAX: Final = 2048  # idle ones too: what is beyond is refused before it is read
KEEP_ALIVE_S: Final = 15.0

ORIGINAL_SERVICE: Final = ServiceSpec.model_validate(
    {"name": "service", "image": "nginx:latest", "networks": [{"name": "fun-swarm"}]}
)


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """`default_service`: what GET /create creates, its name followed by a number. `simulator`: the engine is one.

    `hosts`: the names under which the api may be asked for; None: any. `tokens_file`: who may; None: whoever reaches
    it, and so it listens on this machine's loopback only, unless it is told another address. `tls_cert`: speak HTTPS.
    `tasks`: which tasks have routes of their own in a proxy's document. `traefik`: what else is in it, and
    `stale_max_s` how long it is served without news.
    """

    host: str = LOOPBACK
    port: int = 8484
    default_service: ServiceSpec = field(default=ORIGINAL_SERVICE)
    simulator: bool = False
    hosts: frozenset[str] | None = None
    tokens_file: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    keep_alive_s: float = KEEP_ALIVE_S
    streams_max: int = STREAMS_MAX
    tasks: TaskRouting = NO_ROUTING
    traefik: TraefikSettings = field(default_factory=TraefikSettings)
    stale_max_s: float = STALE_MAX_S

    @classmethod
    def of(cls, settings: Settings) -> "ApiSettings":
        """The part of all settings that the api needs.

        Raises:
            InvalidRequest: FUNSWARM_DEFAULT_SERVICE is no service, or one of FUNSWARM_TRAEFIK_… is not understood.
        """
        template = ORIGINAL_SERVICE
        if settings.default_service is not None:
            try:
                template = ServiceSpec.model_validate({"name": ORIGINAL_SERVICE.name} | settings.default_service)
            except ValidationError as error:
                raise InvalidRequest(f"FUNSWARM_DEFAULT_SERVICE: {explain(error, ServiceSpec)}") from error
        host = settings.http_host or (ALL if settings.http_tokens_file else LOOPBACK)
        hosts = known_hosts(host, settings.http_hosts)
        return cls(
            host,
            settings.http_port,
            template,
            settings.simulator,
            hosts,
            settings.http_tokens_file,
            settings.http_tls_cert,
            settings.http_tls_key,
            tasks=TaskRouting(settings.tasks_expose, settings.tasks_domain),
            traefik=_traefik(settings),
            stale_max_s=settings.traefik_stale_max_s,
        )


def _traefik(settings: Settings) -> TraefikSettings:
    try:
        rule = Rule.of(settings.traefik_default_rule or DEFAULT_RULE)
    except InvalidRequest as error:
        raise InvalidRequest(f"FUNSWARM_TRAEFIK_DEFAULT_RULE: {error}") from error
    try:
        only = None if settings.traefik_constraints is None else constraint(settings.traefik_constraints)
    except InvalidRequest as error:
        raise InvalidRequest(f"FUNSWARM_TRAEFIK_CONSTRAINTS: {error}") from error
    return TraefikSettings(
        default_rule=rule,
        network=settings.traefik_network,
        exposed_by_default=settings.traefik_exposed_by_default,
        constraint=only,
        retry=settings.traefik_retry,
        tasks=TaskRouting(settings.tasks_expose, settings.tasks_domain),
    )
