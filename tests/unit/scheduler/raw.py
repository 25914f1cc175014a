"""Raw services as the engine gives them, for tests."""

from typing import Any

from funswarm.state import COMMAND_LABEL


def spec(replicas: int | None = 2, image: str = "nginx:1", **fields: Any) -> dict[str, Any]:
    """A raw Spec; `labels` and top-level fields by name."""
    labels = fields.pop("labels", {})
    return {
        "Name": "web",
        "Labels": labels,
        "TaskTemplate": {"ContainerSpec": {"Image": image}, "ForceUpdate": 0},
        "Mode": {"Replicated": {"Replicas": replicas}},
        **fields,
    }


def node(name: str = "one", node_id: str = "n1", availability: str = "active", **spec_fields: Any) -> dict[str, Any]:
    """A raw node at version 4, ready."""
    return {
        "ID": node_id,
        "Version": {"Index": 4},
        "Spec": {"Role": "worker", "Availability": availability, "Labels": {}, **spec_fields},
        "Description": {"Hostname": name},
        "Status": {"State": "ready"},
    }


def service(
    state: str | None = None, by: str | None = None, previous: dict[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    """A raw service `web` at version 7; `state` of its rollout, `by`: the command in its label."""
    if by:
        fields["labels"] = {COMMAND_LABEL: by}
    result: dict[str, Any] = {"ID": "s1", "Version": {"Index": 7}, "Spec": spec(**fields)}
    if previous:
        result["PreviousSpec"] = previous
    if state:
        result["UpdateStatus"] = {"State": state, "Message": "because"}
    return result
