"""A service as users describe it: what `docker service create` takes, in one model, unknown fields refused."""

from funswarm.state import Value


class ServiceSpec(Value):
    """A service to be created."""

    name: str
    image: str
    replicas: int | None = None


class ServicePatch(Value):
    """The fields to change; those not set stay as they are."""

    image: str | None = None
    replicas: int | None = None
