"""What the notifier needs to know; built from services.settings in its `__main__`. Pure."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from services.notifier.docker_flow.settings import DockerFlowSettings

if TYPE_CHECKING:
    from services.settings import Settings


@dataclass(frozen=True, slots=True)
class NotifierSettings:
    """`hooks_file`: webhooks that are not to be changed over HTTP. `hooks_allow`: globs of hosts; none: any host.

    `docker_flow`: None where nobody wants it. `webhooks` False: other copies deliver these.
    """

    instance: str
    version: str
    docker_flow: DockerFlowSettings | None = None
    hooks_file: Path | None = None
    hooks_allow: tuple[str, ...] = ()
    webhooks: bool = True

    @classmethod
    def of(
        cls, settings: "Settings", instance: str, version: str, docker_flow: DockerFlowSettings | None = None
    ) -> "NotifierSettings":
        """The part of all settings that the notifier needs."""
        return cls(instance, version, docker_flow, settings.hooks_file, settings.hooks_allow)
