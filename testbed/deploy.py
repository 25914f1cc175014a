"""Deploy Funswarm on a Swarm: image, secrets, the node for NATS's data, `docker stack deploy`. I/O by the docker CLI.

For a local Swarm of this testbed the images are built on the host engine and loaded onto the nodes; for any other Swarm
(`--host`, or DOCKER_HOST) the images must be in a registry that its nodes reach. Done twice, it updates.
"""

import hashlib
import json
import os
import secrets
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed import engine as host_engine
from testbed import images
from testbed.engine import client_environment, docker
from testbed.shell import SetupError, run, say, succeeds, wait_for
from testbed.swarm import NETWORK, Swarm, load

ROOT = Path(__file__).resolve().parents[1]
STACK = "funswarm"
USERS = ("poller", "scheduler", "api", "client")
_BUILD_S = 900
_HEALTHY_S = 240


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where a deployed stack is reached: one HTTP address a node, NATS's address, and the password of user `client`."""

    http_urls: tuple[str, ...]
    nats_url: str
    nats_user: str
    nats_password: str


def deploy_local(swarm: Swarm) -> Deployment:
    """Build what is checked out, load it onto the nodes of a testbed Swarm, deploy (or update) and wait for health.

    Adds a service `web` of two web servers to look at, once. The passwords stay in a file that only its owner reads.
    """
    engine = host_engine.start()
    images.ensure(engine, (images.PYTHON, images.NATS, images.BUSYBOX))
    tag = build(engine.host, images.PYTHON.tag)
    load(swarm, (tag, images.NATS.tag, images.BUSYBOX.tag))
    passwords = _kept_passwords(swarm.name)
    deploy(swarm.manager.host, tag, images.NATS.tag, passwords)
    if not succeeds_docker(swarm.manager.host, "service", "inspect", "web"):
        swarm.manager.docker(
            "service", "create", "--detach", "--name=web", "--replicas=2", f"--network={NETWORK}",
            "--endpoint-mode=dnsrr", "--no-resolve-image", images.BUSYBOX.tag, "httpd", "-f", "-h", "/",
        )  # fmt: skip
    urls = tuple(f"http://{node.address}:8484" for node in swarm.nodes)
    made = Deployment(urls, f"nats://{swarm.manager.address}:4222", "client", passwords["client"])
    wait_until_healthy(swarm.manager.host, made)
    return made


def succeeds_docker(host: str, *arguments: str) -> bool:
    """Whether that docker command ends well."""
    return succeeds("docker", *arguments, env=client_environment(host, os.environ))


def _kept_passwords(name: str) -> dict[str, str]:
    folder = ROOT / ".funswarm" / "testbed"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / f"{name}-passwords.json"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(json.dumps(new_passwords()))
    kept = json.loads(file.read_text())
    return {user: str(kept[user]) for user in USERS}


def build(engine_host: str, python_image: str | None = None) -> str:
    """Build the image of this checkout on the engine and return its tag, which names its content.

    A new content thus has a new tag, and only then does Swarm update a service. `python_image` as in the Dockerfile.
    """
    arguments = ["--build-arg", f"PYTHON_IMAGE={python_image}"] if python_image else []
    name = "funswarm:build"
    say("building the image")
    # The classic builder: BuildKit would look even a local base image up in a registry.
    environment = {**client_environment(engine_host, os.environ), "DOCKER_BUILDKIT": "0"}
    run("docker", "build", "--network=host", *arguments, "--tag", name, str(ROOT), timeout_s=_BUILD_S, env=environment)
    image_id = docker(engine_host, "image", "inspect", "--format", "{{.Id}}", name)
    tag = f"funswarm:{image_id.removeprefix('sha256:')[:12]}"
    docker(engine_host, "tag", name, tag)
    return tag


def deploy(host: str, image: str, nats_image: str, passwords: dict[str, str], socket_group: int = 0) -> None:
    """Put the stack on the Swarm of the manager at `host` (a DOCKER_HOST), or update it.

    `passwords`: one for each of `USERS`. Secrets that are there already stay as they are (Swarm cannot change one).
    """
    make_secrets(host, passwords)
    choose_nats_node(host)
    conf = (ROOT / "services" / "nats.conf").read_bytes()
    environment = {
        **client_environment(host, os.environ),
        "FUNSWARM_IMAGE": image,
        "NATS_IMAGE": nats_image,
        "NATS_CONF_VERSION": hashlib.sha256(conf).hexdigest()[:12],
        "SOCKET_GID": str(socket_group),
    }
    file = str(ROOT / "stack.yml")
    run(
        "docker",
        "stack",
        "deploy",
        "--compose-file",
        file,
        "--resolve-image=never",
        STACK,
        timeout_s=120,
        env=environment,
    )


def make_secrets(host: str, passwords: dict[str, str]) -> None:
    """Create the secrets that stack.yml names, where they are missing."""
    have = set(docker(host, "secret", "ls", "--format", "{{.Name}}").splitlines())
    wanted = {f"funswarm-{user}-password": password for user, password in passwords.items() if user != "client"}
    wanted["funswarm-nats-passwords"] = passwords_conf(passwords)
    for name, content in wanted.items():
        if name not in have:
            with tempfile.NamedTemporaryFile("w", prefix="funswarm-") as file:  # its mode is 600
                file.write(content)
                file.flush()
                docker(host, "secret", "create", name, file.name)


def passwords_conf(passwords: dict[str, str]) -> str:
    """The file that services/nats.conf includes: one variable for each user. Pure."""
    return "".join(f'{user.upper()}_PASSWORD: "{password}"\n' for user, password in sorted(passwords.items()))


def new_passwords() -> dict[str, str]:
    """A random password for each user. A letter first: nats-server reads a leading digit or `$` as something else."""
    return {user: "p" + secrets.token_urlsafe(24) for user in USERS}


def choose_nats_node(host: str) -> None:
    """Label one manager as the node of NATS's data, unless a node is labelled already."""
    nodes = docker(host, "node", "ls", "--quiet", "--filter", "node.label=funswarm.nats=true").split()
    if not nodes:
        manager = docker(host, "node", "ls", "--quiet", "--filter", "role=manager").split()[0]
        docker(host, "node", "update", "--label-add", "funswarm.nats=true", manager)


def wait_until_healthy(host: str, deployment: Deployment, timeout_s: float = _HEALTHY_S) -> dict[str, Any]:
    """Wait until every node's api says that all is well, and return what the last one said."""
    wait_for(lambda: all(health(url).get("ok") for url in deployment.http_urls), "a healthy stack", timeout_s, 0.5,
             log=lambda: explain(host, deployment))  # fmt: skip
    return health(deployment.http_urls[-1])


def health(http_url: str) -> dict[str, Any]:
    """The body of `/health`, whatever its status; `SetupError` when nobody answers."""
    try:
        with urllib.request.urlopen(f"{http_url}/health", timeout=10) as answer:
            body = answer.read()
    except urllib.error.HTTPError as error:
        body = error.read()
    except (OSError, TimeoutError) as error:
        raise SetupError(f"{http_url} does not answer: {error}") from error
    try:
        found = json.loads(body)
    except ValueError as error:
        raise SetupError(f"{http_url}/health answers {body[:200]!r}") from error
    assert isinstance(found, dict), "the health is an object"
    return found


def explain(host: str, deployment: Deployment) -> str:
    """What a person would look at when the stack is not healthy: its tasks, and what each api says."""
    lines = [
        docker(host, "stack", "ps", "--no-trunc", "--format", "{{.Name}} {{.Node}} {{.CurrentState}} {{.Error}}", STACK)
    ]
    for url in deployment.http_urls:
        try:
            lines.append(f"{url}: {health(url).get('reasons')}")
        except SetupError as error:
            lines.append(str(error))
    return "\n".join(lines)


def remove(host: str) -> None:
    """Remove the stack; its secrets and NATS's volume stay (`docker secret rm`, `docker volume rm` end them)."""
    docker(host, "stack", "rm", STACK, timeout_s=120)
