"""`make run` against a real engine that is in no Swarm: it says the way out, or makes a Swarm where it is asked to."""

from collections.abc import Iterator
from urllib.error import HTTPError

import pytest

from testbed import swarm as testbed_swarm
from testbed.node import Node
from testbed.shell import wait_for
from tests.nats.run_scene import PATIENCE_S, PROGRAMS, Run, waited
from tests.report import ran_against
from tests.swarm.conftest import take_down

NAME = "funswarm-test-init"
READY = r"ready: http://localhost:\d+/health"


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    """An engine of the module's own; the tests begin and end without a Swarm."""
    made = testbed_swarm.up(NAME, nodes=1, fresh=True)
    ran_against("swarm", "an engine in no Swarm")
    try:
        leave(made.manager)
        yield made.manager
    finally:
        take_down(made)


def swarm_of(node: Node) -> str:
    return node.docker("info", "--format", "{{.Swarm.LocalNodeState}}")


def leave(node: Node) -> None:
    """An engine that takes long to leave may say so as an error: then it is asked again."""

    def left() -> bool:
        if swarm_of(node) != "inactive":
            node.docker("swarm", "leave", "--force")
        return swarm_of(node) == "inactive"

    wait_for(left, f"{node.name} to leave its Swarm", PATIENCE_S, log=node.log)


def simulates(run: Run) -> list[bool]:
    """Whether it says that the engine is simulated; nothing while its health is not good."""
    try:
        return [run.get("/health")[1]["simulator"]]
    except HTTPError:
        return []


def test_without_being_asked_it_says_the_exact_command_and_changes_nothing(node: Node, tmp_path):
    run = Run(tmp_path / "data", DOCKER_HOST=node.host)
    assert 1 == run.process.wait(timeout=PATIENCE_S)
    run.reading.join(timeout=PATIENCE_S)
    said = "".join(run.lines)
    assert f"cannot run: the Docker engine at {node.host} is not in Swarm mode" in said
    assert "docker swarm init --advertise-addr 127.0.0.1" in said
    assert "make run SWARM_INIT=1" in said
    assert "inactive" == swarm_of(node)


def test_asked_to_it_makes_a_swarm_and_runs_on_it_until_ctrl_c(node: Node, tmp_path):
    run = Run(tmp_path / "data", DOCKER_HOST=node.host, SWARM_INIT="1")
    try:
        run.wait_for(r"Docker engine .*; manager of Swarm \w+ \(made just now\)")
        run.wait_for(READY)
        assert ("active", [False]) == (swarm_of(node), waited(lambda: simulates(run), "its health"))
        assert set(PROGRAMS) - {"services.simulator"} == set(run.children())
    finally:
        code = run.end()
        leave(node)
    assert 0 == code
    assert f"the data stay in {run.folder}" in run.lines[-1]
