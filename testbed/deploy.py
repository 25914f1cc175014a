"""Deploy Funswarm on a Swarm: image, secrets, the node for NATS's data, `docker stack deploy`. I/O by the docker CLI.

Done twice, it updates. Onto a Swarm of the testbed the images come from the host engine; docs/operations.md has the
same steps by hand, for any other Swarm.
"""

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from testbed import engine as host_engine
from testbed import health, images
from testbed.engine import client_environment, docker, write_services
from testbed.passwords import HTTP, PROXY, http_tokens, kept_passwords, passwords_conf
from testbed.shell import run, say, wait_for
from testbed.swarm import NETWORK, Swarm, load

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("poller", "scheduler", "notifier", "api", "agent")
WEB = "web"
AGENT = "funswarm-agent"  # the stack of stack.agent.yml
_BUILD_S = 900
_PROXY_S = 300
# Each says which task answers; the site has its page where nginx has it.
_WEB_SERVER = ("sh", "-c", "hostname >/tmp/index.html; exec httpd -f -h /tmp")
# Answers what Docker Flow Proxy is told, and writes it down.
_FLOW_PROXY = (
    "mkdir -p /tmp/w/v1/docker-flow-proxy; cd /tmp/w/v1/docker-flow-proxy; echo OK >reconfigure; echo OK >remove; "
    "exec httpd -f -vv -p 8080 -h /tmp/w 2>&1"
)
_SITE = "mkdir -p /usr/share/nginx/html; cd /usr/share/nginx/html; hostname >index.html; exec httpd -f"


@dataclass(frozen=True, slots=True)
class Deployment:
    """What is deployed and where it is reached: one HTTP address a node, and NATS as the user `client`.

    `http_token`: of an admin.
    """

    image: str
    http_urls: tuple[str, ...]
    http_token: str
    nats_url: str
    nats_user: str
    nats_password: str


def deploy_local(swarm: Swarm) -> Deployment:
    """Build what is checked out, load it onto the nodes of a testbed Swarm, deploy (or update) and wait for health.

    Adds a service `web` of two web servers to look at, once.
    """
    engine = host_engine.start()
    images.ensure(engine, (images.PYTHON, images.NATS, images.BUSYBOX))
    image = build(engine.host, images.PYTHON.tag)
    say("loading the images onto the nodes")
    load(swarm, (image, images.NATS.tag, images.BUSYBOX.tag))
    passwords = kept_passwords(swarm.name)
    update_local(swarm, image, passwords)
    _make_web(swarm)
    say("waiting until all is well")
    health.wait_until_healthy(swarm, passwords[HTTP])
    nats_url = f"nats://{swarm.manager.address}:4222"
    return Deployment(image, health.http_urls(swarm), passwords[HTTP], nats_url, "client", passwords["client"])


def update_local(swarm: Swarm, image: str, passwords: dict[str, str]) -> None:
    """Deploy an image that the nodes of a testbed Swarm have; do not wait for anything."""
    # Nodes have what `load` brought them: what GET /create creates is one of these too.
    default_service = {"name": "service", "image": images.BUSYBOX.tag, "args": _WEB_SERVER, "networks": [NETWORK]}
    environment = {
        "NATS_IMAGE": images.NATS.tag,
        "SOCKET_GID": str(os.getegid()),  # the group of the nodes' sockets: see testbed.node
        "FUNSWARM_DEFAULT_SERVICE": json.dumps(default_service | {"endpoint_mode": "dnsrr", "stop_grace_period": 1}),
    }
    deploy(swarm.manager.host, image, passwords, environment)


def deploy_proxy(swarm: Swarm) -> tuple[str, ...]:
    """Traefik on each node of a testbed Swarm that has the stack, and `proxy_site`, two web servers with labels.

    Returns Traefik's address on each node, once it leads to the site there.
    """
    images.ensure(host_engine.start(), (images.TRAEFIK, images.BUSYBOX))
    say("loading the images onto the nodes")
    load(swarm, (images.TRAEFIK.tag, images.BUSYBOX.tag))
    make_secret(swarm.manager.host, "funswarm-traefik-token", kept_passwords(swarm.name)[PROXY])
    conf = (ROOT / "services" / "traefik.yml").read_bytes()
    variables = {
        "TRAEFIK_IMAGE": images.TRAEFIK.tag,
        "TRAEFIK_CONF_VERSION": hashlib.sha256(conf).hexdigest()[:12],
        "SITE_IMAGE": images.BUSYBOX.tag,
        "SITE_COMMAND": f"sh -c '{_SITE}'",
    }
    _deploy_stack(swarm.manager.host, "stack.traefik.yml", "proxy", variables)
    say("waiting until each Traefik leads to the site")
    urls = tuple(f"http://{node.address}" for node in swarm.nodes)
    for url in urls:
        wait_for(partial(health.answers, url), f"a page at {url}", _PROXY_S, 0.5)
    return urls


def deploy_docker_flow(swarm: Swarm, image: str) -> None:
    """The listener, a web server in the place of Docker Flow Proxy, and a site, on a Swarm that has the stack."""
    images.ensure(host_engine.start(), (images.BUSYBOX,))
    load(swarm, (images.BUSYBOX.tag,))
    variables = {
        "FUNSWARM_IMAGE": image,
        "DOCKER_FLOW_PROXY_IMAGE": images.BUSYBOX.tag,
        "DOCKER_FLOW_PROXY_COMMAND": f"sh -c '{_FLOW_PROXY}'",
        "SITE_IMAGE": images.BUSYBOX.tag,
        "SITE_COMMAND": f"sh -c '{_SITE}'",
        "PROXY_HTTP_PORT": "8088",  # Traefik may have the usual one
        "PROXY_HTTPS_PORT": "8443",
    }
    _deploy_stack(swarm.manager.host, "stack.docker-flow.yml", "flow", variables)


def deploy_agent(swarm: Swarm, image: str) -> None:
    """The node agent on each node of a testbed Swarm that has the stack; it tells what tasks use every 2 s."""
    variables = {"FUNSWARM_IMAGE": image, "SOCKET_GID": str(os.getegid()), "FUNSWARM_USAGE_INTERVAL_S": "2"}
    _deploy_stack(swarm.manager.host, "stack.agent.yml", AGENT, variables)


def _make_web(swarm: Swarm) -> None:
    """The service `web`, unless it is there."""
    if WEB not in swarm.manager.docker("service", "ls", "--format", "{{.Name}}").splitlines():
        swarm.manager.docker(
            "service", "create", "--detach", f"--name={WEB}", "--replicas=2", f"--network={NETWORK}",
            "--endpoint-mode=dnsrr", "--no-resolve-image", images.BUSYBOX.tag, *_WEB_SERVER,
        )  # fmt: skip


def build(engine_host: str, python_image: str | None = None) -> str:
    """Build the image of this checkout on the engine and return its tag, which names its content.

    A new content thus has a new tag, and only then does Swarm update a service. `python_image` as in the Dockerfile.
    """
    arguments = [f"--build-arg=PYTHON_IMAGE={python_image}"] if python_image else []
    say("building the image")
    # The classic builder: BuildKit would look even a local base image up in a registry.
    environment = {**client_environment(engine_host, os.environ), "DOCKER_BUILDKIT": "0"}
    with tempfile.TemporaryDirectory(prefix="funswarm-") as folder:
        id_file = Path(folder, "id")
        arguments += ["--network=host", f"--iidfile={id_file}", "--tag=funswarm:build"]
        run("docker", "build", *arguments, str(ROOT), timeout_s=_BUILD_S, env=environment)
        # Not by the name: another build may have taken it since.
        image_id = id_file.read_text().strip()
    tag = f"funswarm:{image_id.removeprefix('sha256:')[:12]}"
    docker(engine_host, "tag", image_id, tag)
    return tag


def deploy(host: str, image: str, passwords: dict[str, str], environment: dict[str, str]) -> None:
    """Put the stack on the Swarm of the manager at `host` (a DOCKER_HOST), or update it.

    `passwords`: as `new_passwords` makes them. Secrets that are there already stay (Swarm cannot change one).
    `environment`: the other variables of stack.yml.
    """
    make_secrets(host, passwords)
    choose_nats_node(host)
    conf = (ROOT / "services" / "nats.conf").read_bytes()
    variables = {"FUNSWARM_IMAGE": image, "NATS_CONF_VERSION": hashlib.sha256(conf).hexdigest()[:12], **environment}
    _deploy_stack(host, "stack.yml", health.STACK, variables)


def _deploy_stack(host: str, file: str, name: str, variables: dict[str, str]) -> None:
    arguments = (f"--compose-file={ROOT / file}", "--resolve-image=never", name)
    write_services("docker", "stack", "deploy", *arguments, env=client_environment(host, os.environ) | variables)


def make_secrets(host: str, passwords: dict[str, str]) -> None:
    """Create the secrets that stack.yml names, where they are missing."""
    wanted = {f"funswarm-{user}-password": passwords[user] for user in PARTS}
    wanted |= {"funswarm-nats-passwords": passwords_conf(passwords), "funswarm-http-tokens": http_tokens(passwords)}
    for name, content in wanted.items():
        make_secret(host, name, content)


def make_secret(host: str, name: str, content: str) -> None:
    """Create a secret, unless there is one of that name: Swarm cannot change it."""
    if name not in docker(host, "secret", "ls", "--format", "{{.Name}}").splitlines():
        with tempfile.NamedTemporaryFile("w", prefix="funswarm-") as file:  # its mode is 600
            file.write(content)
            file.flush()
            docker(host, "secret", "create", name, file.name)


def choose_nats_node(host: str) -> None:
    """Label one manager as the node of NATS's data, unless a node is labelled already."""
    nodes = docker(host, "node", "ls", "--quiet", "--filter", "node.label=funswarm.nats=true").split()
    if not nodes:
        manager = docker(host, "node", "ls", "--quiet", "--filter", "role=manager").split()[0]
        docker(host, "node", "update", "--label-add", "funswarm.nats=true", manager)
