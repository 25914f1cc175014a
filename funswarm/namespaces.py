"""Which namespace a service belongs to, and what who is bound to namespaces may do with it. Pure.

One definition for all: the api's tokens, the scheduler's gate, admission's quotas.
"""

from collections.abc import Collection, Mapping
from typing import Annotated, Final

from pydantic import Field

STACK_LABEL: Final = "com.docker.stack.namespace"  # as `docker stack deploy` sets it
Namespace = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,61}$")]


def namespace_of(name: str, labels: Mapping[str, str] | None) -> str:
    """The namespace of the service (or secret, config, network) `name`; empty: it has none.

    The label says it where the name begins with it and `_`, as with `docker stack deploy`; a label that says something
    else makes it nobody's. Without a label it is what stands before the first `_` of the name.
    """
    label = (labels or {}).get(STACK_LABEL)
    if label is None:
        return name.partition("_")[0] if "_" in name else ""
    return label if name.startswith(f"{label}_") else ""


def may_belong(name: str, namespaces: Collection[str]) -> bool:
    """Whether the name alone allows it; the label may still say something else."""
    return any(name.startswith(f"{namespace}_") for namespace in namespaces)
