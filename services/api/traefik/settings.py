"""What decides which services are in Traefik's document, and how. Pure."""

from dataclasses import dataclass, field

from funswarm.task_routes import TaskRouting
from services.api.traefik.constraints import Constraint
from services.api.traefik.rules import DEFAULT_RULE, Rule


@dataclass(frozen=True, slots=True)
class TraefikSettings:
    """`network`: by name, where a service names none. `exposed_by_default`: services that do not say.

    `constraint`: which services at all; None: all. `retry`: a request that no task has got yet is sent to another one.
    """

    default_rule: Rule = field(default_factory=lambda: Rule.of(DEFAULT_RULE))
    network: str | None = None
    exposed_by_default: bool = True
    constraint: Constraint | None = None
    retry: bool = True
    tasks: TaskRouting = field(default_factory=TaskRouting)
