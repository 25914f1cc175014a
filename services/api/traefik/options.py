"""What the labels of one service say about the service itself: whether it is exposed, on which network, and how. Pure.

The names are Traefik's, compared without case: `traefik.enable`, `traefik.swarm.network`, `traefik.swarm.lbswarm`, and
`traefik.docker.…` from before there was a provider for Swarm. One is ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.api.traefik.labels import BadLabel, Fault, flag

ENABLE: Final = "traefik.enable"
RETRY: Final = "funswarm.traefik.retry"
_SWARM: Final = "traefik.swarm."
_DOCKER: Final = "traefik.docker."
_OURS: Final = frozenset({"network", "lbswarm"})


@dataclass(frozen=True, slots=True)
class Options:
    """None: the labels do not say. `by_vip`: Swarm balances over the tasks, not Traefik."""

    enable: bool | None = None
    network: str | None = None
    by_vip: bool = False
    retry: bool | None = None


def read_options(labels: Mapping[str, str]) -> Options:
    """
    Raises:
        BadLabel: one cannot be followed; then the service is not exposed at all, as with Traefik.
    """
    found = {label.lower(): label for label in sorted(labels) if label.lower().startswith(("traefik.", "funswarm."))}
    swarm = [label for key, label in found.items() if key.startswith(_SWARM)]
    docker = [label for key, label in found.items() if key.startswith(_DOCKER)]
    if swarm and docker:
        raise BadLabel(Fault(f"{_SWARM}* and {_DOCKER}* do not go together: keep {_SWARM}*", docker[0]))
    for label in (*swarm, *docker):
        if label.lower().rpartition(".")[2] not in _OURS or label.count(".") != 2:
            known = " and ".join(f"{_SWARM}{name}" for name in sorted(_OURS))
            raise BadLabel(Fault(f"there is no such label: there are {known}", label, labels[label]))
    base = _DOCKER if docker else _SWARM
    network = found.get(f"{base}network")
    return Options(
        enable=_flag(labels, found, ENABLE),
        network=(labels[network].strip() or None) if network else None,
        by_vip=bool(_flag(labels, found, f"{base}lbswarm")),
        retry=_flag(labels, found, RETRY),
    )


def _flag(labels: Mapping[str, str], found: Mapping[str, str], key: str) -> bool | None:
    label = found.get(key)
    return None if label is None else flag(label, labels[label].strip())
