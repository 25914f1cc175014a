"""Keeps what was made of a World: the document while its revision stays, a service's part while that stays. Pure."""

from services.api.traefik.document import Document, make_document
from services.api.traefik.parts import Part, make_part
from services.api.traefik.settings import TraefikSettings
from services.api.world import Service, Task, World


class Documents:
    """One for each api."""

    def __init__(self, settings: TraefikSettings) -> None:
        self._settings = settings
        self._of_world = World()
        self._document = make_document(())
        self._parts: dict[str, tuple[Service, tuple[Task, ...], Part]] = {}  # by the service's id

    def of(self, world: World) -> Document:
        """The document of a World; what a change does not touch is not made anew."""
        if world.revision == self._of_world.revision:
            return self._document
        same = world.nodes == self._of_world.nodes and world.networks == self._of_world.networks
        before = self._parts if same else {}
        self._parts = {}
        for service_id, service in world.services.items():
            tasks, known = world.tasks.get(service_id, ()), before.get(service_id)
            if known is None or known[0] is not service or known[1] is not tasks:
                known = (service, tasks, make_part(world, service, self._settings))
            self._parts[service_id] = known
        self._document = make_document(part for _, _, part in self._parts.values())
        self._of_world = world
        return self._document
