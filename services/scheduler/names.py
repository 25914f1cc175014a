"""Names of networks, secrets and configs, resolved to what the engine wants: ids. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final

from funswarm.errors import Refused
from funswarm.messages import Code
from funswarm.spec import ServiceFields

LOCAL_NETWORKS: Final = frozenset({"host", "bridge", "none"})  # of the node, not of the Swarm: taken by name


@dataclass(frozen=True, slots=True)
class Names:
    """name -> id of what is there, by kind."""

    network: Mapping[str, str] = field(default_factory=dict)
    secret: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, str] = field(default_factory=dict)

    def find(self, kind: str, wanted: str) -> tuple[str, str]:
        """(id, name) of `wanted`, a name or an id.

        Raises:
            Refused: there is none; with the nearest name.
        """
        if kind == "network" and wanted in LOCAL_NETWORKS:
            return wanted, wanted
        known: Mapping[str, str] = getattr(self, kind)
        if wanted in known:
            return known[wanted], wanted
        for name, object_id in known.items():
            if object_id == wanted:
                return object_id, name
        hint = did_you_mean(wanted, known)
        raise Refused(f"there is no {kind} {wanted!r} in the Swarm{hint}: create it first", Code.INVALID)


def kinds_needed(fields: ServiceFields) -> set[str]:
    """The kinds whose names must be known to write this."""
    given = {"network": fields.networks, "secret": fields.secrets, "config": fields.configs}
    return {kind for kind, uses in given.items() if uses}


def did_you_mean(wanted: str, known: Collection[str]) -> str:
    """` (did you mean 'web'?)`, or nothing."""
    near = get_close_matches(wanted, known, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
