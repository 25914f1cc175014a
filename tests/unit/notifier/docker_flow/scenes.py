"""Settings of the listener and news of services, in one call."""

from typing import Any

from services.notifier.docker_flow.news import News, service_news
from services.notifier.docker_flow.settings import DockerFlowSettings
from services.settings import Settings
from tests.builders import a_service

PROXY = "http://proxy:8080/v1/docker-flow-proxy"


def read(secrets: dict[str, str] | None = None, /, **environ: str) -> DockerFlowSettings:
    """The settings of such an environment."""
    found = DockerFlowSettings.of(Settings(docker_flow=True), environ, secrets or {})
    assert found is not None
    return found


def settings(**environ: str) -> DockerFlowSettings:
    """With one receiver, a Docker Flow Proxy."""
    urls = {"DF_NOTIFY_CREATE_SERVICE_URL": f"{PROXY}/reconfigure", "DF_NOTIFY_REMOVE_SERVICE_URL": f"{PROXY}/remove"}
    return read(**urls | environ)


def labels(**df: str) -> dict[str, str]:
    """Labels of a service that opted in; `port="80"` is com.df.port."""
    return {f"com.df.{name}": value for name, value in ({"notify": "true"} | df).items()}


def news_of(name: str = "web", *, replicas: int | None = 1, environ: dict[str, str] | None = None, **df: Any) -> News:
    """What is told of such a service."""
    stack = df.pop("stack", None)
    have = labels(**df) | ({"com.docker.stack.namespace": stack} if stack else {})
    return service_news(a_service(name, replicas=replicas, labels=have), (), read(**environ or {}))
