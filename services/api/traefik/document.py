"""All services' parts as one document: who may have which name and rule, what refers to what, and the bytes. Pure.

Of two services that claim a name or a rule the older one keeps it, and nothing of the younger leads to what it did not
define itself. Only middlewares that say the same are shared. The bytes are the same for the same World.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from funswarm.messages import Problem
from services.api.traefik.labels import Fault
from services.api.traefik.parts import RETRY_NAME, Items, Part, problem_of
from services.api.world import Service

RETRY: Final[Mapping[str, Any]] = {"retry": {"attempts": 3, "initialInterval": "50ms"}}
_LOCAL: Final = ("@swarm", "@docker")  # as who comes from Traefik's own providers writes: now it is defined here
_OURS: Final = "funswarm-"
_SINGULAR: Final = {"routers": "router", "services": "service", "middlewares": "middleware"}

Problems = Mapping[str, tuple[Problem, ...]]  # by service


@dataclass(frozen=True, slots=True)
class Document:
    """`etag`: without quotes."""

    body: bytes
    etag: str
    problems: Problems


def make_document(parts: Iterable[Part]) -> Document:
    """The document of all parts, in any order."""
    merging = _Merging()
    for part in sorted(parts, key=lambda part: (part.service.created_at, part.service.id)):
        merging.add(part)
    merging.refer()
    if any(RETRY_NAME in router.get("middlewares", ()) for router in merging.of("http", "routers").values()):
        merging.of("http", "middlewares")[RETRY_NAME] = RETRY
    content: dict[str, dict[str, Any]] = {}
    for (family, section), items in merging.items.items():
        if items:
            content.setdefault(family, {})[section] = items
    body = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return Document(body, hashlib.blake2b(body, digest_size=12).hexdigest(), merging.problems())


@dataclass(slots=True)
class _Merging:
    items: Items = field(default_factory=dict)
    _owners: dict[tuple[str, str, str], Service] = field(default_factory=dict)
    _claims: dict[tuple[Any, ...], tuple[Service, str]] = field(default_factory=dict)
    _parts: list[Part] = field(default_factory=list)
    _faults: list[tuple[Service, Fault]] = field(default_factory=list)
    _lost: set[tuple[str, str, str, str]] = field(default_factory=set)  # the service's id, and its place

    def of(self, family: str, section: str) -> dict[str, Any]:
        """The items of a section."""
        return self.items.setdefault((family, section), {})

    def add(self, part: Part) -> None:
        """A part that is younger than all before."""
        self._parts.append(part)
        self._lost.update((part.service.id, *place) for place in part.left_out)
        for family, section in sorted(part.items):
            for name, item in part.items[family, section].items():
                self._add(part.service, (family, section, name), item)

    def refer(self) -> None:
        """Have what refers to other things refer to what is here; tell what refers to nothing."""
        for family in ("http", "tcp", "udp"):
            for section in ("middlewares", "routers"):
                for name in [*self.of(family, section)]:
                    self._refer(family, section, name)

    def _refer(self, family: str, section: str, name: str) -> None:
        items, owner = self.of(family, section), self._owners[family, section, name]
        referring = _Referring(self, family, owner, f"traefik.{family}.{section}.{name}")
        made = referring.router(items[name]) if section == "routers" else referring.middleware(items[name])
        if made is None:
            del items[name]
            self._lost.add((owner.id, family, section, name))
        else:
            items[name] = made

    def knows(self, family: str, section: str, name: str) -> bool:
        """Whether a name is defined here."""
        return name in self.items.get((family, section), {})

    def lost(self, service: Service, family: str, section: str, name: str) -> bool:
        """Whether a service defines a name and may not have it."""
        return (service.id, family, section, name) in self._lost

    def fault(self, service: Service, fault: Fault) -> None:
        """What is wrong with a service only beside the others."""
        self._faults.append((service, fault))

    def problems(self) -> Problems:
        """All that is wrong, by the service's name."""
        found: dict[str, tuple[Problem, ...]] = {}
        for part in self._parts:
            if part.problems:
                found[part.service.name] = part.problems
        for service, fault in self._faults:
            found[service.name] = (*found.get(service.name, ()), problem_of(service, fault))
        return found

    def _add(self, service: Service, place: tuple[str, str, str], item: dict[str, Any]) -> None:
        family, section, name = place
        items = self.of(family, section)
        if name in items:
            if items[name] == item and (section == "middlewares" or name.startswith(_OURS)):
                return
            owner = self._owners[place].name
            why = f"the {_SINGULAR[section]} {name!r} is that of {owner}, which is older: give it another name"
            self.fault(service, Fault(why, f"traefik.{family}.{section}.{name}"))
            self._lost.add((service.id, *place))
            return
        if section == "routers" and (taken := self._claimed(service, family, name, item)):
            self.fault(service, taken)
            return
        items[name] = item
        self._owners[place] = service

    def _claimed(self, service: Service, family: str, name: str, router: Mapping[str, Any]) -> Fault | None:
        """Why a router cannot be: an older service has one for the very same requests."""
        entrypoints = tuple(sorted(router.get("entryPoints", ())))
        rule = str(router.get("rule", "")).strip()
        claim = (family, rule, entrypoints, router.get("priority", 0), "tls" in router)
        owner, owned = self._claims.setdefault(claim, (service, name))
        if owner.id == service.id:
            return None
        what = f"the rule {rule}" if rule else f"the entry points {', '.join(entrypoints) or 'by default'}"
        why = (
            f"{what} is that of the router {owned!r} of {owner.name}, which is older: change it, or give it a priority"
        )
        return Fault(why, f"traefik.{family}.routers.{name}.rule", rule or None)


@dataclass(frozen=True, slots=True)
class _Referring:
    """What something of `owner` refers to; `label`: where it says so."""

    merging: _Merging
    family: str
    owner: Service
    label: str

    def router(self, router: dict[str, Any]) -> dict[str, Any] | None:
        """The router as it refers; None: to what its service may not define."""
        service = self._local("services", router["service"], f"{self.label}.service")
        middlewares = self._middlewares(router.get("middlewares", ()), f"{self.label}.middlewares")
        if service is None or middlewares is None:
            return None
        return {**router, "service": service} | ({"middlewares": middlewares} if middlewares else {})

    def middleware(self, item: dict[str, Any]) -> dict[str, Any] | None:
        """As `router`, of a chain of middlewares, or of one that has errors shown by a service."""
        if "chain" in item:
            middlewares = self._middlewares(item["chain"]["middlewares"], f"{self.label}.chain.middlewares")
            return None if middlewares is None else {**item, "chain": {"middlewares": middlewares}}
        if "service" in item.get("errors", {}):
            service = self._local("services", item["errors"]["service"], f"{self.label}.errors.service")
            return None if service is None else {**item, "errors": {**item["errors"], "service": service}}
        return item

    def _middlewares(self, names: Iterable[str], label: str) -> list[str] | None:
        local = [self._local("middlewares", name, label) for name in names]
        return None if None in local else [name for name in local if name is not None]

    def _local(self, section: str, said: str, label: str) -> str | None:
        name = next((said.removesuffix(ending) for ending in _LOCAL if said.endswith(ending)), said)
        if "@" in name or name == RETRY_NAME:
            return said
        if self.merging.lost(self.owner, self.family, section, name):
            return None  # why it is, has been told
        if self.merging.knows(self.family, section, name):
            return name
        if name == said:
            why = f"there is no {_SINGULAR[section]} {name!r} here: what is defined elsewhere has @ and its provider"
            self.merging.fault(self.owner, Fault(why, label, name))
        return said
