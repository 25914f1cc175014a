"""One service's part of Traefik's document: its routers, services and middlewares, and what is wrong with its labels.

Pure. As Traefik's own provider makes them of labels, but for what docs/proxies.md says: what is wrong with one of them
leaves out that one only, and a service without tasks stays, without servers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from funswarm.messages import Problem
from funswarm.task_routes import SOURCE
from services.api.traefik.addresses import Network, host_and_port, network_of, task_address, virtual_ip
from services.api.traefik.labels import BadLabel, Fault, Labels, read_labels
from services.api.traefik.options import Options, read_options
from services.api.traefik.rules import normalize
from services.api.traefik.settings import TraefikSettings
from services.api.traefik.syntax import why_no_rule
from services.api.traefik.task_routes import task_part
from services.api.world import Service, Task, World

RETRY_NAME: Final = "funswarm-retry"
_SCHEMES: Final = ("http", "https", "h2c")
_PORT_MAX: Final = 65535

Items = dict[tuple[str, str], dict[str, Any]]  # (family, section) -> name -> JSON


@dataclass(frozen=True, slots=True)
class Part:
    """`left_out`: what the labels name and cannot be, as (family, section, name)."""

    service: Service
    items: Items = field(default_factory=dict)
    left_out: frozenset[tuple[str, str, str]] = frozenset()
    problems: tuple[Problem, ...] = ()


def make_part(world: World, service: Service, settings: TraefikSettings) -> Part:
    """The part of one service; empty where it is not exposed."""
    if settings.constraint is not None and not settings.constraint(service.labels):
        return Part(service)
    try:
        options = read_options(service.labels)
    except BadLabel as error:
        return Part(service, problems=(problem_of(service, error.fault),))
    if options.enable is False:
        return Part(service)
    making = _Making(world, service, settings, options)
    if options.enable or settings.exposed_by_default:
        making.read()
    making.add_tasks()
    return making.part()


def problem_of(service: Service, fault: Fault) -> Problem:
    """A fault, told."""
    return Problem(source=SOURCE, service=service.name, label=fault.label, value=fault.value, reason=fault.reason)


class _Making:
    def __init__(self, world: World, service: Service, settings: TraefikSettings, options: Options) -> None:
        self._world = world
        self._service = service
        self._settings = settings
        self._options = options
        self._name = normalize(service.name)
        self._labels: Labels = read_labels(service.labels)
        self._items: Items = {}
        self._faults: list[Fault] = []
        self._left_out: set[tuple[str, str, str]] = set()
        self._of_tasks: tuple[Problem, ...] = ()
        self._network: Network | None = network_of(world, service, options.network or settings.network)
        self._servers_wanted = False

    def read(self) -> None:
        """What the labels say to Traefik."""
        self._faults += self._labels.faults
        self._left_out |= self._labels.bad
        for family in ("tcp", "udp"):
            if self._named(family, "routers") or self._named(family, "services"):
                self._family(family)
        if self._named("http", "routers") or self._named("http", "services"):
            self._family("http")
        for family in ("http", "tcp"):
            if middlewares := self._labels.items.get((family, "middlewares")):
                self._items[family, "middlewares"] = dict(middlewares)

    def add_tasks(self) -> None:
        """The routes to single tasks."""
        found = task_part(self._world, self._service, self._settings.tasks, self._address_of)
        for section in ("routers", "services", "middlewares"):
            if of_tasks := getattr(found, section):
                self._items.setdefault(("http", section), {}).update(of_tasks)
        self._servers_wanted |= bool(found.routers)
        self._of_tasks = found.problems

    def part(self) -> Part:
        """All of it."""
        if self._options.enable and not (self._items or self._faults or self._of_tasks):
            self._faults.append(_no_port(f"traefik.http.services.{self._name}.loadbalancer.server"))
        if self._servers_wanted:
            self._doubt_network()
        problems = tuple(problem_of(self._service, fault) for fault in self._faults)
        return Part(self._service, self._items, frozenset(self._left_out), problems + self._of_tasks)

    def _named(self, family: str, section: str) -> set[str]:
        """The names that the labels use, also of what is left out."""
        bad = {name for where, kind, name in self._labels.bad if (where, kind) == (family, section)}
        return bad | self._labels.items.get((family, section), {}).keys()

    def _family(self, family: str) -> None:
        """Its services and routers; where the labels name none of one of them, there is one of the service's name."""
        names = self._named(family, "services") or {self._name}
        services = dict(self._labels.items.get((family, "services"), {}))
        if not self._named(family, "services"):
            services = {self._name: {}}
        done = {name: served for name, said in services.items() if (served := self._serve(family, name, said))}
        routers = self._routers(family, names)
        if done:
            self._items[family, "services"] = done
        if routers:
            self._items[family, "routers"] = routers

    def _serve(self, family: str, name: str, said: Mapping[str, Any]) -> dict[str, Any] | None:
        """A service with its servers; None: it is left out."""
        balancer = dict(said.get("loadBalancer", {}))
        server = dict(balancer.pop("server", {}))
        try:
            balancer["servers"] = self._servers(family, f"traefik.{family}.services.{name}.loadbalancer.server", server)
        except BadLabel as error:
            self._faults.append(error.fault)
            self._left_out.add((family, "services", name))
            return None
        return {"loadBalancer": balancer}

    def _servers(self, family: str, label: str, server: dict[str, Any]) -> list[dict[str, Any]]:
        port, scheme, url = server.pop("port", None), server.pop("scheme", None), server.pop("url", None)
        if url is not None:
            if port is not None or scheme is not None:
                raise BadLabel(Fault("with a url there is no port and no scheme: take these away", f"{label}.url", url))
            return [{"url": url, **server}] if self._world.ready_tasks(self._service.id) else []
        if port is None:
            raise BadLabel(_no_port(label))
        if not (port.isascii() and port.isdigit() and 0 < int(port) <= _PORT_MAX):
            raise BadLabel(Fault("this is no port: write a number from 1 to 65535", f"{label}.port", port))
        if scheme is not None and scheme not in _SCHEMES:
            raise BadLabel(Fault(f"this is no scheme: there are {', '.join(_SCHEMES)}", f"{label}.scheme", scheme))
        self._servers_wanted = True
        places = sorted({host_and_port(address, str(int(port))) for address in self._addresses()})
        if family == "http":
            return [{"url": f"{scheme or 'http'}://{place}", **server} for place in places]
        return [{"address": place, **server} for place in places]

    def _addresses(self) -> list[str]:
        """Of the tasks that are ready, or of the service as a whole; none where no task is ready."""
        tasks = self._world.ready_tasks(self._service.id)
        if tasks and self._options.by_vip and (vip := virtual_ip(self._service, self._network)):
            return [vip]
        return [address for task in tasks if (address := task_address(self._world, task, self._network))]

    def _address_of(self, _: Service, task: Task) -> str | None:
        return task_address(self._world, task, self._network)

    def _routers(self, family: str, services: set[str]) -> dict[str, Any]:
        """The routers, each with its service: the only one, where it names none."""
        said = dict(self._labels.items.get((family, "routers"), {}))
        if family == "http" and not self._named(family, "routers") and len(services) == 1:
            said = {self._name: {}}
        made: dict[str, Any] = {}
        for name, router in said.items():
            if not router.get("service") and len(services) > 1:
                why = f"there are the services {', '.join(sorted(services))}: say which one with .service"
                self._faults.append(Fault(why, f"traefik.{family}.routers.{name}"))
                self._left_out.add((family, "routers", name))
                continue
            made[name] = self._router(family, router, router.get("service") or min(services))
            if (rule := router.get("rule")) and (wrong := why_no_rule(family, rule)):
                self._faults.append(
                    Fault(f"Traefik cannot read this: {wrong}", f"traefik.{family}.routers.{name}.rule", rule)
                )
        return made

    def _router(self, family: str, router: Mapping[str, Any], service: str) -> dict[str, Any]:
        made = {**router, "service": service}
        if family == "http":
            rule = self._settings.default_rule
            made["rule"] = router.get("rule") or rule.for_service(self._service.name, self._service.labels)
            if self._retries(router.get("middlewares", ())):
                made["middlewares"] = [*router.get("middlewares", ()), RETRY_NAME]
        return made

    def _retries(self, middlewares: list[str]) -> bool:
        """Whether ours is added: not to one of the service's own, which would multiply the attempts."""
        own = self._labels.items.get(("http", "middlewares"), {})
        wanted = self._settings.retry if self._options.retry is None else self._options.retry
        return wanted and not any("retry" in own.get(name, {}) for name in middlewares)

    def _doubt_network(self) -> None:
        if self._network is not None and self._network.doubt is not None:
            self._faults.append(Fault(self._network.doubt, "traefik.swarm.network", self._options.network))
        elif self._network is None and self._world.ready_tasks(self._service.id) and not self._addresses():
            why = "it is on no network but ingress, so no proxy reaches its tasks: attach it to the proxy's network"
            self._faults.append(Fault(why))


def _no_port(label: str) -> Fault:
    return Fault("this label is needed: Swarm does not tell on which port tasks serve", f"{label}.port")
