"""`make run` as its user sees it: a process, its lines, its exit code. On the simulator, with a real nats-server."""

import os
import signal
import socket

import pytest

from tests.nats.run_scene import PATIENCE_S, PROGRAMS, Run, alive, waited
from tests.report import ran_against


@pytest.fixture
def start(tmp_path):
    started = []

    def start(**env):
        started.append(Run(tmp_path / "data", **env))
        return started[-1]

    yield start
    for run in started:
        if run.process.poll() is None:
            run.end(signal.SIGTERM)
        run.reading.join(timeout=PATIENCE_S)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    run = Run(tmp_path_factory.mktemp("run"))
    run.wait_for(r"ready: http://localhost:\d+/health")
    ran_against("nats", "make run on the simulator")
    yield run
    assert run.end() == 0


def test_without_an_engine_it_says_loudly_that_all_is_simulated(running):
    assert running.wait_for(r"!!! NO DOCKER ENGINE, ALL IS SIMULATED.*nowhere")


def test_it_says_which_nats_it_started(running):
    assert running.wait_for(rf"NATS 2\.\d+\.\d+ at nats://127.0.0.1:{running.nats_port}, started here")


def test_health_says_that_it_is_the_simulator(running):
    assert running.get("/health")[1]["simulator"] is True


def test_each_answer_says_that_it_is_the_simulator(running):
    headers, _ = running.get("/health")
    assert [value for name, value in headers.items() if "simulat" in name.lower()] != []


def test_the_original_create_creates_a_service(running):
    running.get("/create")
    waited(lambda: any(one["name"] == "service-1" for one in running.get("/health")[1]["services"]), "service-1")


def test_a_part_that_dies_is_started_again_and_said(running):
    before = running.children()["services.scheduler"]
    os.kill(before, signal.SIGKILL)
    running.wait_for(r"scheduler \| was ended by SIGKILL; started again in")
    assert waited(lambda: running.children().get("services.scheduler"), "the new scheduler") != before


def test_a_second_one_in_the_same_folder_says_who_is_there(running):
    second = Run(running.folder)
    assert second.process.wait(timeout=PATIENCE_S) == 1
    second.wait_for(rf"cannot run: Funswarm runs already .*\(process {running.process.pid}\)")
    second.reading.join(timeout=PATIENCE_S)


def all_children(run):
    return waited(lambda: len(run.children()) == len(PROGRAMS) and run.children(), "all children")


def test_ctrl_c_ends_all_and_names_the_folder_of_the_data(start):
    run = start()
    run.wait_for("NO DOCKER ENGINE")
    children = all_children(run)
    assert run.end() == 0
    assert [] == [name for name, pid in children.items() if alive(pid)]
    assert f"the data stay in {run.folder}" in run.lines[-1]


def test_the_children_end_with_a_supervisor_that_is_killed(start):
    run = start()
    children = all_children(run)
    run.process.kill()
    waited(lambda: not any(alive(pid) for pid in children.values()), "all children gone")


def test_a_taken_port_is_said_before_anything_starts(start):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        run = start(FUNSWARM_HTTP_PORT=str(taken.getsockname()[1]))
        assert run.process.wait(timeout=PATIENCE_S) == 1
    run.wait_for("is not free .*FUNSWARM_HTTP_PORT")
    assert len(run.lines) == 1


def test_a_wrong_setting_is_named_and_the_exit_code_is_2(start):
    run = start(FUNSWARM_HTTP_PORT="x")
    assert run.process.wait(timeout=PATIENCE_S) == 2
    run.wait_for("settings are wrong: FUNSWARM_HTTP_PORT='x'")
