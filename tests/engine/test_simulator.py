"""What only the simulator can be asked for: faults, restarts, nodes that fail, tasks that die, an engine of any age."""

import contextlib
import json
import subprocess
import sys
import threading
import time

import docker
import pytest
import requests
from docker.errors import APIError

from services import simulator
from services.simulator import Cluster, Faults, Settings

PATIENCE_S = 120.0


def until(condition, what):
    end = time.monotonic() + PATIENCE_S
    while not (value := condition()):
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(0.02)
    return value


@pytest.fixture
def sim(tmp_path):
    """Three nodes and five services of two tasks each."""
    cluster = Cluster(3)
    cluster.seed(5, 2)
    with simulator.running(cluster, str(tmp_path / "engine.sock")) as served:
        yield served


@pytest.fixture
def api(sim):
    """docker-py on it."""
    client = docker.APIClient(base_url=sim.host, version="1.44", timeout=30)
    yield client
    client.close()


def control(api, path, body):
    """Ask a side endpoint."""
    response = api._post_json(f"{api.base_url}/simulator/{path}", data=body)
    assert response.ok, response.text
    return response.json()


@contextlib.contextmanager
def listening(api, **filters):
    """The event stream read in a thread: a list that grows, ended by "end" when the stream does."""
    got: list[str] = []
    events = api.events(decode=True, filters=filters)

    def read():
        with contextlib.suppress(Exception):  # whatever requests makes of a stream that is closed while it is read
            got.extend(event["Actor"]["Attributes"]["name"] for event in events)
        got.append("end")

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield got
    finally:
        with contextlib.suppress(OSError):
            events.close()
        thread.join(PATIENCE_S)


def add(sim, name):
    """Make a service from within."""
    spec = {"Name": name, "TaskTemplate": {"ContainerSpec": {"Image": "i"}}, "Mode": {"Replicated": {"Replicas": 0}}}
    return sim.call(lambda cluster: cluster.create_service(spec))


def test_nothing_goes_wrong_unasked(api):
    assert json.loads(Faults().model_dump_json()) == api._get(f"{api.base_url}/simulator/faults").json()


def test_an_unknown_fault_is_refused(api):
    response = api._post_json(f"{api.base_url}/simulator/faults", data={"slowness": 1})
    assert (400, True) == (response.status_code, "slowness" in response.text)


def test_errors_hit_a_share_of_calls(api):
    control(api, "faults", {"error_share": 0.5})
    codes = {api._get(api._url("/services")).status_code for _ in range(40)}
    assert {200, 500} == codes


def test_a_call_that_is_failed_has_no_effect(sim, api):
    sim.call(lambda _: sim.set_faults(Faults(error_share=1)))
    with pytest.raises(APIError):
        api.remove_service("seed-00000")
    sim.call(lambda _: sim.set_faults(Faults()))
    assert len(api.services()) == 5


def test_garbage_is_no_json(api):
    control(api, "faults", {"garbage_share": 1})
    with pytest.raises(requests.exceptions.JSONDecodeError):
        api.services()


def test_half_a_body_breaks_the_connection(api):
    control(api, "faults", {"half_share": 1})
    with pytest.raises(requests.RequestException):
        api.services()


def test_slow_answers_come_later_and_side_endpoints_do_not(api):
    control(api, "faults", {"slow_s": 0.3})
    start = time.monotonic()
    assert len(api.services()) == 5
    assert time.monotonic() - start >= 0.3
    assert control(api, "faults", {}) == Faults().model_dump()


def test_a_silent_stream_says_nothing_and_what_it_did_not_say_is_lost(sim, api):
    with listening(api, type="service") as got:
        add(sim, "one")
        until(lambda: got == ["one"], "the first is told")
        control(api, "faults", {"events_silent": True})
        add(sim, "two")
        control(api, "faults", {})
        add(sim, "three")
        until(lambda: len(got) > 1, "the third is told")
        assert ["one", "three"] == got


def test_streams_are_dropped(sim, api):
    with listening(api) as got:
        add(sim, "one")
        until(lambda: got == ["one"], "it is told")
        control(api, "faults", {"events_dropped": True})
        until(lambda: got[-1] == "end", "the stream ends")
    with listening(api) as got:
        until(lambda: got == ["end"], "a new one ends at once")


def test_a_restart_ends_streams_and_refuses_calls(sim, api):
    with listening(api) as got:
        add(sim, "one")
        until(lambda: got, "it is told")
        control(api, "restart", {"down_s": 600})
        until(lambda: got[-1] == "end", "the stream ends")
    with pytest.raises(requests.RequestException):
        api.services()


def test_it_comes_back_from_a_restart_with_its_swarm(sim, api):
    before = {service["ID"] for service in api.services()}
    add(sim, "one")
    control(api, "restart", {"down_s": 0.1})

    def back():
        with contextlib.suppress(requests.RequestException):
            return {service["ID"] for service in api.services()}

    assert before < until(back, "it is back")


def test_a_restart_forgets_past_events(sim, api):
    add(sim, "one")
    control(api, "restart", {"down_s": 0})

    def nothing_is_told():
        with contextlib.suppress(requests.RequestException):
            return not api._get(api._url("/events"), params={"since": "1", "until": f"{time.time():.3f}"}).text

    until(nothing_is_told, "it is back and has no past")


def test_a_node_fails_and_its_tasks_move(sim, api):
    node = api.nodes()[2]["ID"]
    assert control(api, f"nodes/{node}", {"state": "down"})["Status"]["State"] == "down"
    assert "down" == api.inspect_node(node)["Status"]["State"]
    moved = until(
        lambda: [t for t in api.tasks({"desired-state": "running"}) if t["NodeID"] == node] == [], "they move"
    )
    assert moved


def test_a_node_joins(sim, api):
    made = control(api, "nodes", {"hostname": "late"})
    assert made["ID"] == api.nodes({"name": "late"})[0]["ID"]


def test_a_task_dies_with_an_exit_code(sim, api):
    task = api.tasks()[0]["ID"]
    assert 9 == control(api, f"tasks/{task}", {"exit_code": 9})["Status"]["ContainerStatus"]["ExitCode"]
    assert "failed" == api.inspect_task(task)["Status"]["State"]


@pytest.mark.parametrize(("engine", "api_version"), [("20.10.24", "1.41"), ("29.1.0", "1.52")])
def test_it_is_an_engine_of_any_age(tmp_path, engine, api_version):
    with simulator.running(Cluster(1, engine_version=engine), str(tmp_path / "engine.sock")) as served:
        client = docker.APIClient(base_url=served.host, version="auto")
        assert (engine, api_version) == (client.version()["Version"], client.api_version)
        client.close()


async def test_it_serves_within_a_loop(tmp_path):
    async with simulator.serve(Cluster(2, settings=Settings(start_s=0.01)), str(tmp_path / "engine.sock")) as served:
        assert served.host == f"unix://{tmp_path}/engine.sock"


def test_it_runs_as_a_program(tmp_path):
    socket = tmp_path / "engine.sock"
    command = [sys.executable, "-m", "services.simulator", "--socket", str(socket), "--services", "3", "--nodes", "2"]
    with subprocess.Popen([*command, "--fault", "slow_s=0.01"], stdout=subprocess.PIPE, text=True) as process:
        assert {"ready": f"unix://{socket}"} == json.loads(process.stdout.readline())  # type: ignore[union-attr]
        client = docker.APIClient(base_url=f"unix://{socket}", version="auto")
        assert (3, 2) == (len(client.services()), len(client.nodes()))
        client.close()
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
    assert not socket.exists()


def test_a_list_of_many_batches_is_whole(tmp_path):
    cluster = Cluster(50)
    cluster.seed(200, 25)
    with simulator.running(cluster, str(tmp_path / "engine.sock")) as served:
        client = docker.APIClient(base_url=served.host, version="1.44", timeout=120)
        assert len(client.tasks()) == 5000
        assert len(client.tasks({"service": "seed-00007"})) == 25
        client.close()
