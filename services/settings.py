"""The settings of the services. Reads os.environ and the files that `…_FILE` names, once at start.

Every setting is `FUNSWARM_<NAME>`; a secret may come from a file instead, `FUNSWARM_<NAME>_FILE` (a Swarm secret's
path). `NATS_URL` is read under its usual name too; docker's own variables (`DOCKER_HOST` …) are read by
services.engine.settings. docs/operations.md lists them all. Each service takes what it needs as its own small
dataclass, built in its `__main__` only.
"""

import json
import os
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AliasChoices, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from funswarm.state import OPTIONAL_KINDS
from funswarm.subjects import DEFAULT_PREFIX, Subjects

PREFIX: Final = "FUNSWARM_"
DAY_S: Final = 24 * 3600


class SettingsError(Exception):
    """The environment is not usable; the text names each variable that is wrong."""


class Settings(BaseSettings):
    """All settings of all parts. Bytes and seconds; None: not set."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, env_ignore_empty=True, validate_by_name=True)

    prefix: str = Field(DEFAULT_PREFIX, description="The first part of all subjects: one per Swarm")
    cluster: str | None = Field(None, description="The name in events; default: the Swarm's cluster id")

    nats_url: str = Field(
        "nats://127.0.0.1:4222",
        validation_alias=AliasChoices("FUNSWARM_NATS_URL", "NATS_URL"),
        description="One or more servers, joined by commas; NATS_URL is read too",
    )
    nats_user: str | None = Field(None, description="The user at NATS")
    nats_password: str | None = Field(None, repr=False, description="Its password")
    nats_token: str | None = Field(None, repr=False, description="A token instead of user and password")
    nats_creds: Path | None = Field(None, description="The path of a .creds file instead")
    nats_tls_ca: Path | None = Field(None, description="The path of the CA's certificate that signed NATS's")
    nats_tls_cert: Path | None = Field(None, description="The path of our certificate, where NATS wants one")
    nats_tls_key: Path | None = Field(None, description="The path of its key")
    nats_connect_timeout_s: float = Field(30.0, gt=0, description="How long a part waits for NATS before it gives up")

    watch: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Watched besides services, tasks and nodes: network, secret, config, joined by commas"
    )
    list_share: float = Field(0.01, gt=0, le=0.5, description="The share of time that full lists may take")
    interval_max_s: float = Field(600.0, gt=0, description="The longest time between two full lists")
    data_age_max_s: float = Field(90.0, gt=0, description="The poller is unhealthy when its knowledge is older")

    stable_s: float = Field(
        5.0, ge=0, description="How long tasks without a health check must run until their service has converged"
    )
    stalled_s: float = Field(30.0, ge=0, description="How long a service may be stalled before its command has failed")
    settle_timeout_s: float = Field(1800.0, gt=0, description="How long the outcome of a command is waited for")

    events_max_age_s: float = Field(7.0 * DAY_S, gt=0, description="How long events are kept")
    events_max_bytes: int = Field(2**30, gt=0, description="How many bytes of events are kept")
    results_max_age_s: float = Field(7.0 * DAY_S, ge=600, description="How long results of commands are kept")
    results_max_bytes: int = Field(2**28, gt=0, description="How many bytes of results are kept")
    audit_max_age_s: float = Field(90.0 * DAY_S, ge=600, description="How long it is kept who asked for what")
    audit_max_bytes: int = Field(2**28, gt=0, description="How many bytes of that are kept")
    deliveries_max: int = Field(5, ge=3, le=100, description="A command that ends the scheduler so often is given up")
    stream_replicas: int = Field(1, ge=1, le=5, description="Copies of each stream in a NATS cluster: 3 in production")

    http_host: str | None = Field(
        None, description="The address to listen on; default: 127.0.0.1, with tokens 0.0.0.0; `make run`: 127.0.0.1"
    )
    http_tokens_file: Path | None = Field(
        None, description="The path of the file of who may use the api; default: whoever reaches it may do everything"
    )
    http_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="The names under which the api may be asked for besides localhost and addresses, joined by commas; "
        "default: any name, on a loopback address none",
    )
    http_port: int = Field(8484, ge=0, le=65535, description="The api's port")
    http_tls_cert: Path | None = Field(None, description="The path of the api's certificate: it then speaks HTTPS")
    http_tls_key: Path | None = Field(None, description="The path of its key; default: it is in the certificate's file")
    default_service: Annotated[dict[str, Any] | None, NoDecode] = Field(
        None,
        repr=False,
        description="What GET /create creates: a description in JSON, or the path of a file; default: an nginx",
    )
    tasks_expose: bool = Field(
        False, description="Single tasks have routes in the proxy's document, where their service does not say"
    )
    tasks_domain: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$",
        description="They have host names too, as `1.web.<domain>`; default: paths only, as `/tasks/web.1/`",
    )
    traefik_default_rule: str | None = Field(
        None,
        description="Traefik's rule for services that have none, a template; default: Host(`{{ normalize .Name }}`)",
    )
    traefik_network: str | None = Field(
        None, description="The network on which Traefik reaches tasks, where their service names none"
    )
    traefik_exposed_by_default: bool = Field(True, description="Traefik has services that do not say traefik.enable")
    traefik_constraints: str | None = Field(
        None,
        description="Traefik has only services that meet this: Label(`tier`, `public`) && !LabelRegex(`name`, `^x`)",
    )
    traefik_retry: bool = Field(True, description="A request that no task got yet is sent to another one")
    traefik_stale_max_s: float = Field(
        600.0, gt=0, description="How long proxies are told what was known last while NATS is away"
    )
    admission_file: Path | None = Field(
        None, description="The path of admission's policy, YAML or TOML; default: no access to hosts, all else free"
    )

    rebalance_window: str | None = Field(
        None,
        pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$",
        description="When services are rebalanced because a node came: a time of the day in UTC, as 22:00-06:00",
    )
    rebalance_at_once: int = Field(1, ge=1, le=100, description="How many services are in a rebalance's surge at once")

    prometheus_url: str | None = Field(
        None, repr=False, description="Where Prometheus answers, for services that are scaled by a query"
    )
    usage_interval_s: float = Field(15.0, ge=1, le=30, description="How often a node agent tells what tasks use")
    hooks_file: Path | None = Field(
        None, description="The path of a file of webhooks, YAML or JSON; besides those that are put over HTTP"
    )
    hooks_allow: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="The hosts that webhooks may go to, as patterns (*.example.com), joined by commas; default: any"
    )

    docker_flow: bool = Field(
        False, description="The notifier serves Docker Flow's API, also where no variable DF_… names a receiver"
    )
    docker_flow_port: int = Field(8080, ge=0, le=65535, description="The port of that API")
    docker_flow_connect_timeout_s: float = Field(
        5.0, gt=0, description="How long a receiver may take to be connected to"
    )
    docker_flow_timeout_s: float = Field(60.0, gt=0, description="How long a receiver may take to answer")
    docker_flow_retry_max_s: float = Field(
        60.0,
        gt=0,
        description="The longest pause before a notification is tried again; DF_RETRY_INTERVAL: the shortest",
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Logs from this level on")
    simulator: bool = Field(False, description="The engine is the simulator; `make run`: use it in any case")
    alive_file: Path | None = Field(None, description="A file to touch every few seconds, for the health check")

    # Of `make run` alone:
    data_dir: Path = Field(Path(".funswarm/data"), description="`make run`: where the data are")
    nats_port: int = Field(4222, ge=1, le=65535, description="`make run`: the port of the NATS that it starts")
    swarm_init: bool = Field(
        False,
        validation_alias=AliasChoices("FUNSWARM_SWARM_INIT", "SWARM_INIT"),
        description="`make run`: make a Swarm where the engine is in none; SWARM_INIT is read too",
    )

    @field_validator("prefix")
    @classmethod
    def _usable_prefix(cls, value: str) -> str:
        return Subjects(value).prefix

    @field_validator("watch", mode="before")
    @classmethod
    def _kinds(cls, value: Any) -> tuple[str, ...]:
        kinds = tuple(_parts(value)) if isinstance(value, str) else value
        for kind in kinds:
            if kind not in OPTIONAL_KINDS:
                raise ValueError(f"{kind!r} cannot be watched: choose from {', '.join(OPTIONAL_KINDS)}")
        return tuple(kinds)

    @field_validator("http_hosts", "hooks_allow", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        return tuple(_parts(value)) if isinstance(value, str) else value

    @field_validator("default_service", mode="before")
    @classmethod
    def _inline_or_file(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value if value.lstrip().startswith("{") else Path(value).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ValueError(f"neither JSON nor the path of a JSON file: {error}") from error

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value


def load() -> Settings:
    """The settings that the environment gives.

    Raises:
        SettingsError: a value is wrong or a file cannot be read; the text names each variable.
    """
    from_files: dict[str, Any] = {}
    for name in Settings.model_fields:
        variable = f"{PREFIX}{name.upper()}_FILE"
        if os.environ.get(variable):
            from_files[name] = _read(variable)
    try:
        return Settings(**from_files)
    except ValidationError as error:
        raise SettingsError("; ".join(_problem(problem) for problem in error.errors())) from error


def unknown() -> list[str]:
    """The variables that look like settings and are none: most likely typing errors."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    known |= {f"{name}_FILE" for name in known}
    return sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)


def _read(variable: str) -> str:
    path = Path(os.environ[variable])
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{variable}={path} cannot be read: {error}") from error


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _problem(problem: Any) -> str:
    place = ".".join(str(part) for part in problem["loc"])
    variable = place if place.isupper() else PREFIX + place.upper()
    field = Settings.model_fields.get(variable.removeprefix(PREFIX).lower())
    shown = f"={problem['input']!r}" if field is None or field.repr else ""  # where a secret may be in it
    return f"{variable}{shown}: {problem['msg'].removeprefix('Value error, ')}"
