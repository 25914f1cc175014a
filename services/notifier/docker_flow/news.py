"""What receivers are told of a service or a node: names, parameters, when. Pure.

As docker-flow-swarm-listener does it, to the byte: keys in order, escaped as a form. docs/docker-flow.md has the rules,
and where they differ.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from funswarm.state import ConditionStatus, NodeState, ServiceState, TaskState
from services.notifier.docker_flow.settings import DockerFlowSettings, Kind

PREFIX: Final = "com.df."
SHORT_NAME: Final = "com.df.shortName"
SCRAPE_NETWORK: Final = "com.df.scrapeNetwork"
NOTIFY_SERVICE: Final = "com.df.notifyService"
ACL_NAME: Final = "com.df.aclName"
STACK: Final = "com.docker.stack.namespace"
REMOVAL_MAX: Final = 2**18  # bytes of a removal's query; all that is noted must fit into a message of NATS
_SETTLED: Final = frozenset({ConditionStatus.CONVERGED, ConditionStatus.ROLLED_BACK, ConditionStatus.DEGRADED})
_AS_GO: Final = str.maketrans({char: f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"})

Parameters = dict[str, str]


@dataclass(frozen=True, slots=True)
class News:
    """What receivers should know of one object.

    `name`: by which they know it. `identity`: where it is another than before, what they know is removed first. `mark`:
    what is equal need not be told again. `chosen`: the receivers of its label, None: all. `settled`: all its tasks run,
    or did before it lost some. `is_ready`: it may be told now.
    """

    kind: Kind
    name: str
    object_id: str
    created_at: str
    identity: str
    create: Parameters
    remove: Parameters
    mark: str
    chosen: frozenset[str] | None = None
    settled: bool = True
    is_ready: bool = True


def opts_in(labels: Mapping[str, str], wanted: str) -> bool:
    """Whether a service is told of. `wanted`: `key`, whose value must be true, or `key=value`; empty: none is."""
    key, equals, value = wanted.partition("=")
    have = labels.get(key)
    return bool(key) and have is not None and (have == value if equals else have.lower() == "true")


def service_news(service: ServiceState, tasks: Iterable[TaskState], settings: DockerFlowSettings) -> News:
    """What is told of a service that opted in. `tasks`: its own; looked at where node info is wanted."""
    labels, name = service.labels, service_name(service, settings.prefix)
    remove = _of_labels(labels, settings.label) | {"serviceName": name}
    remove.setdefault("distribute", "true")
    create = dict(remove)
    if service.mode != "global":
        create["replicas"] = str((service.replicas or 0) if service.mode == "replicated" else 0)  # a job has none
    network = labels.get(SCRAPE_NETWORK)
    if settings.node_info and network is not None and (entries := node_info(tasks, network, settings.task_addresses)):
        create["nodeInfo"] = as_json(entries)
    settled = service.condition.status in _SETTLED
    return News(
        kind="service",
        name=name,
        object_id=service.id,
        created_at=service.created_at,
        identity=f"{service.id} {labels.get(ACL_NAME, name)}",
        create=create,
        remove=remove,
        mark=_mark(query(create), service.image),
        chosen=_chosen(labels),
        settled=settled,
        is_ready=fits(remove) and (settled or network is None or settings.immediately),
    )


def node_news(node: NodeState) -> News | None:
    """What is told of a node; None: that it is gone, as one that is down counts."""
    if node.state == "down":
        return None
    remove = {"id": node.id, "hostname": node.name, "address": node.address}
    create = _of_labels(node.engine_labels, "") | _of_labels(node.labels, "") | remove
    create |= {"state": node.state, "role": node.role, "availability": node.availability}
    mark = _mark(query(create), "")  # without the version, which moves for what nobody is told of
    create["versionIndex"] = str(node.version)
    return News(
        kind="node",
        name=node.id,
        object_id=node.id,
        created_at=node.created_at,
        identity=node.id,
        create=create,
        remove=remove,
        mark=mark,
        is_ready=fits(remove),
    )


def service_name(service: ServiceState, prefix: str) -> str:
    """The name that receivers know: with the prefix of the settings, or without its stack's where it wants so."""
    name = f"{prefix}_{service.name}" if prefix else service.name
    stack = service.labels.get(STACK, "")
    if stack and service.labels.get(SHORT_NAME, "").lower() == "true":
        return name.removeprefix(f"{stack}_")
    return name


def node_info(tasks: Iterable[TaskState], network: str, with_address: bool) -> list[list[str]]:
    """Hostname, address on `network` (or empty) and node id of the tasks that run there, each once, in order."""
    found = set()
    for task in tasks:
        if task.state != "running" or task.desired_state != "running" or not task.node_id:
            continue
        on_it = [address.addresses[0] for address in task.addresses if address.network == network and address.addresses]
        if on_it:
            address = on_it[0].partition("/")[0] if with_address else ""
            found.add((task.node_name or task.node_id, address, task.node_id))
    return [list(entry) for entry in sorted(found)]


def fits(removal: Parameters) -> bool:
    """Whether labels are not too long to be told."""
    return len(query(removal)) <= REMOVAL_MAX


def query(parameters: Mapping[str, str]) -> str:
    """The parameters as Go's url.Values.Encode has them."""
    return _query(sorted(parameters.items()))


def with_query(url: str, query: str) -> str:
    """The URL of a notification: the configured URL's own query in order, then the notification's."""
    parts = urlsplit(url)
    own = _query(sorted(parse_qsl(parts.query, keep_blank_values=True), key=lambda pair: pair[0]))
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "&".join(text for text in (own, query) if text), ""))


def as_json(value: Any) -> str:
    """JSON as Go writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).translate(_AS_GO)


def _query(pairs: Iterable[tuple[str, str]]) -> str:
    return urlencode(list(pairs), errors="replace")


def _of_labels(labels: Mapping[str, str], ignored: str) -> Parameters:
    names = (label for label in labels if label.startswith(PREFIX) and label not in (PREFIX, ignored))
    return {label.removeprefix(PREFIX): labels[label] for label in names}


def _chosen(labels: Mapping[str, str]) -> frozenset[str] | None:
    return frozenset(part.strip().lower() for part in labels.get(NOTIFY_SERVICE, "").split(",") if part.strip()) or None


def _mark(*texts: str) -> str:
    return hashlib.blake2b("\n".join(texts).encode(errors="replace"), digest_size=12).hexdigest()
