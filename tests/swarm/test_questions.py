"""What docs/questions.md tells its reader to type does what it says, on a Swarm of two nodes.

Each question's blocks are typed into one shell, in order. Only names and ports differ: the Swarm's, free ports, and
images that need no registry.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from testbed import engine as host_engine
from testbed import images
from testbed import swarm as testbed_swarm
from testbed.engine import Engine
from testbed.shell import SetupError, wait_for
from testbed.swarm import Swarm
from tests.report import ran_against
from tests.servers import free_port
from tests.swarm.conftest import take_down

ROOT = Path(__file__).parents[2]
NAME = "funswarm-test-questions"
CONTAINER = f"{NAME}-all"
PATIENCE_S = 900  # an image is built
PAGE = (ROOT / "docs" / "questions.md").read_text(encoding="utf-8")
QUESTIONS = {part.partition("\n")[0]: part for part in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]}
CONTACT, CONTAINED, ONE_TASK, OUTSIDE = QUESTIONS  # of the last: test_proxy.py
SITE = "mkdir -p /usr/share/nginx/html; exec httpd -f -h /usr/share/nginx/html"
DEFAULT_SERVICE = f'{{"name": "service", "image": "{images.BUSYBOX.tag}", "args": ["sleep", "3600"]}}'

REACHED = 'until timeout 5 wget -q -O - "$0"; do sleep 1; done'  # a new task's address takes its time to be known
pytestmark = pytest.mark.timeout(1800)


@dataclass(frozen=True, slots=True)
class Desk:
    """A reader's desk: a folder, a shell whose `docker` is the reader's own, ports that nobody uses."""

    folder: Path
    http_port: int
    nats_port: int

    def type(self, question: str, **env: str) -> str:
        """The output of all that the question's answer tells to type."""
        script = "\n".join(("set -eu", *blocks(question)))
        for old, new in self.differences():
            script = script.replace(old, new)
        log = self.folder / "shell.log"
        with log.open("wb") as output:
            done = subprocess.run(
                ["sh", "-c", script], cwd=ROOT, env=self.environment() | env, stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT, timeout=PATIENCE_S, check=False,
            )  # fmt: skip
        said = log.read_text(encoding="utf-8")
        assert 0 == done.returncode, f"{said}\n--- make run:\n{self.log_of_run()}"
        return said

    def differences(self) -> list[tuple[str, str]]:
        """What is typed otherwise here, in the order of replacing."""
        start = f'make run >{self.folder}/run.log 2>&1 & echo "$!" >{self.folder}/pid\n'
        ready = f"until grep -q 'ready: ' {self.folder}/run.log; do kill -0 $!; sleep 0.2; done\n"
        return [
            ("make run\n", start + ready),
            ("-m testbed env", f"-m testbed env --name {NAME}"),
            ("localhost:8484", f"127.0.0.1:{self.http_port}"),
            ("127.0.0.1:8484:8484", f"127.0.0.1:{self.http_port}:8484"),
            ("busybox wget -q -O - ", f"busybox sh -c {REACHED!r} "),
            ("--name funswarm ", f"--name {CONTAINER} "),
            ("docker exec funswarm ", f"docker exec {CONTAINER} "),
            ("--network funswarm ", f"--network {NAME} "),
            ("--env-file", f"--env 'FUNSWARM_DEFAULT_SERVICE={DEFAULT_SERVICE}' --env-file"),
            ("manager.env", f"{self.folder}/manager.env"),
            ("nginx:alpine", f"-- {images.BUSYBOX.tag} sh -c '{SITE}'"),
            (" busybox ", f" {images.BUSYBOX.tag} "),
            (".venv/bin/funswarm", f"{Path(sys.executable).parent}/funswarm"),
        ]

    def environment(self) -> dict[str, str]:
        dropped = ("FUNSWARM_", "NATS_", "DOCKER_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        return kept | {
            "PATH": f"{self.folder}:{os.environ['PATH']}",
            "FUNSWARM_HTTP_PORT": str(self.http_port),
            "FUNSWARM_NATS_PORT": str(self.nats_port),
            "FUNSWARM_DATA_DIR": str(self.folder / "data"),
            "FUNSWARM_DEFAULT_SERVICE": DEFAULT_SERVICE,
        }

    def log_of_run(self) -> str:
        log = self.folder / "run.log"
        return log.read_text(encoding="utf-8")[-4000:] if log.exists() else "(not started)"

    def clear(self, engine: Engine) -> None:
        """End what was started."""
        pid = self.folder / "pid"
        if pid.exists():
            with suppress(ProcessLookupError):
                os.kill(int(pid.read_text()), signal.SIGTERM)
                wait_for(lambda: "stopped; " in self.log_of_run(), "make run to end", PATIENCE_S, log=self.log_of_run)
        with suppress(SetupError):  # it was not reached
            engine.docker("rm", "--force", CONTAINER)


def blocks(question: str) -> list[str]:
    """The commands of an answer, block by block."""
    found = re.findall(r"^( *)```sh\n(.*?)^ *```$", QUESTIONS[question], flags=re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[Swarm]:
    images.ensure(host_engine.start())
    made = testbed_swarm.up(NAME, nodes=2, fresh=True)
    ran_against("swarm", "a Swarm of 2 nodes over TLS")
    try:
        testbed_swarm.load(made, (images.BUSYBOX.tag,))
        yield made
    finally:
        take_down(made)


@pytest.fixture(scope="module")
def said(two_nodes: Swarm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What is read after each question's commands: the later ones go on where the earlier ones ended."""
    engine, folder = host_engine.start(), tmp_path_factory.mktemp("desk")
    desk = Desk(folder, free_port(), free_port())
    elsewhere = replace(desk, http_port=free_port())
    own = folder / "docker"
    own.write_text(f'#!/bin/sh\nDOCKER_HOST="${{DOCKER_HOST:-{engine.host}}}" exec {shutil.which("docker")} "$@"\n')
    own.chmod(0o755)
    with suppress(SetupError):  # of a killed run
        engine.docker("rm", "--force", CONTAINER)
    try:
        yield {
            CONTACT: desk.type(CONTACT),
            ONE_TASK: desk.type(ONE_TASK, FUNSWARM_NATS_URL=f"nats://127.0.0.1:{desk.nats_port}"),
            CONTAINED: elsewhere.type(CONTAINED),
        }
    finally:
        desk.clear(engine)


def test_a_swarm_is_contacted_from_this_machine_over_tls(said: dict[str, str]):
    assert "DOCKER_TLS_VERIFY=1" in said[CONTACT]
    assert re.search(r"service-1 +replicated", said[CONTACT])


def test_a_specific_task_is_reached_by_address_and_by_name(said: dict[str, str]):
    assert 2 == said[ONE_TASK].count("hello world")


def test_a_swarm_is_contacted_from_a_container(said: dict[str, str]):
    assert re.search(r"service-2 +replicated", said[CONTAINED])
