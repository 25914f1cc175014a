"""Services: created, found, read, removed."""

import docker
import pytest
from docker.errors import NotFound

from tests.servers import free_port


def test_docker_py_creates_a_service_and_finds_it(engine):
    container = docker.types.ContainerSpec("funswarm-busybox:test", command=["sleep", "1000"])
    mode = docker.types.ServiceMode("replicated", 0)
    made = engine.api.create_service(docker.types.TaskTemplate(container), name=engine.name, mode=mode)
    engine.undo_later(lambda: engine.api.remove_service(engine.name))
    assert [made["ID"]] == [service["ID"] for service in engine.api.services({"name": engine.name})]


def test_a_sparse_spec_stays_sparse(engine):
    engine.create({"Name": engine.name, "TaskTemplate": {"ContainerSpec": {"Image": "i"}}, "Mode": {"Global": None}})
    expected = {
        "Name": engine.name,
        "Labels": {},
        "TaskTemplate": {
            "ContainerSpec": {"Image": "i", "Isolation": "default"},
            "ForceUpdate": 0,
            "Runtime": "container",
        },
        "Mode": {"Replicated": {"Replicas": 1}},
    }
    assert expected == engine.service(engine.name)["Spec"]


def test_a_full_spec_is_kept_as_the_engine_words_it(engine):
    template = {
        "Resources": {"Limits": {"NanoCPUs": 0, "MemoryBytes": 1 << 24}, "Reservations": {}},
        "RestartPolicy": {},
        "Placement": {"Constraints": ["node.role==manager"], "Preferences": []},
        "ForceUpdate": 3,
        "LogDriver": {"Name": "json-file"},
    }
    parts = {"Labels": {"a": "b"}, "UpdateConfig": {"Parallelism": 2}, "RollbackConfig": {}, "EndpointSpec": {}}
    engine.create(engine.spec(replicas=0, template=template, **parts))
    spec = engine.service(engine.name)["Spec"]
    assert {"a": "b"} == spec["Labels"]
    assert {"Limits": {"MemoryBytes": 1 << 24}, "Reservations": {}} == spec["TaskTemplate"]["Resources"]
    assert {"Condition": "any", "MaxAttempts": 0} == spec["TaskTemplate"]["RestartPolicy"]
    assert {"Constraints": ["node.role==manager"]} == spec["TaskTemplate"]["Placement"]
    assert {"Name": "json-file"} == spec["TaskTemplate"]["LogDriver"]
    config = {"FailureAction": "pause", "MaxFailureRatio": 0, "Order": "stop-first"}
    assert {**config, "Parallelism": 2} == spec["UpdateConfig"]
    assert {**config, "Parallelism": 0} == spec["RollbackConfig"]
    assert {"Mode": "vip"} == spec["EndpointSpec"]


def test_insert_defaults_shows_what_swarm_would_assume(engine):
    engine.create({"Name": engine.name, "TaskTemplate": {"ContainerSpec": {"Image": "i", "Command": ["x"]}}})
    spec = engine.get(f"/services/{engine.name}", insertDefaults="true")["Spec"]
    second = 10**9
    template = spec["TaskTemplate"]
    assert (10 * second, {}) == (template["ContainerSpec"]["StopGracePeriod"], template["ContainerSpec"]["DNSConfig"])
    assert ({}, {}) == (template["Resources"], template["Placement"])
    assert {"Condition": "any", "Delay": 5 * second, "MaxAttempts": 0} == template["RestartPolicy"]
    config = {"Parallelism": 1, "FailureAction": "pause", "Monitor": 5 * second, "MaxFailureRatio": 0}
    assert {**config, "Order": "stop-first"} == spec["UpdateConfig"] == spec["RollbackConfig"]


def test_a_list_leaves_defaults_out(engine):
    engine.create(engine.spec(replicas=0))
    assert ["UpdateConfig" in service["Spec"] for service in engine.api.services({"name": engine.name})] == [False]


def test_a_service_is_found_by_id_name_and_beginning_of_its_id(engine):
    service_id = engine.create(engine.spec(replicas=0))
    found = [engine.service(reference)["ID"] for reference in (service_id, engine.name, service_id[:12])]
    assert [service_id] * 3 == found


def test_no_service_is_found_by_the_beginning_of_its_name(engine):
    engine.create(engine.spec(replicas=0))
    short = engine.name[:-1]
    assert (404, f"service {short} not found") == engine.refused(lambda: engine.service(short))


def test_the_name_filter_matches_what_begins_so(engine):
    ids = {engine.create(engine.spec(replicas=0, suffix=suffix)) for suffix in ("", "-db")}
    assert ids == {service["ID"] for service in engine.api.services({"name": engine.name})}


def test_the_id_filter_matches_what_begins_so(engine):
    service_id = engine.create(engine.spec(replicas=0))
    assert [service_id] == [service["ID"] for service in engine.api.services({"id": service_id[:15]})]


@pytest.mark.parametrize("label", ["color", "color=red"])
def test_the_label_filter_takes_a_key_or_a_pair(engine, label):
    service_id = engine.create(engine.spec(replicas=0, Labels={"color": "red"}))
    engine.create(engine.spec(replicas=0, suffix="-2", Labels={"colors": "red"}))
    found = engine.api.services({"label": label, "name": engine.name})
    assert [service_id] == [service["ID"] for service in found]


def test_the_label_filter_compares_values(engine):
    engine.create(engine.spec(replicas=0, Labels={"color": "red"}))
    assert [] == engine.api.services({"label": "color=blue", "name": engine.name})


def test_the_mode_filter_finds_replicated_ones(engine):
    service_id = engine.create(engine.spec(replicas=0))
    found = engine.api.services({"mode": "replicated", "name": engine.name})
    assert [service_id] == [service["ID"] for service in found]
    assert [] == engine.api.services({"mode": "global", "name": engine.name})


def test_status_counts_running_and_desired_tasks(engine):
    engine.create(engine.spec(replicas=1))
    engine.until_running(engine.name, 1)
    (service,) = engine.get("/services", status="true", filters=f'{{"name": ["{engine.name}"]}}')
    assert {"RunningTasks": 1, "DesiredTasks": 1, "CompletedTasks": 0} == service["ServiceStatus"]


def test_a_removed_service_is_gone_and_so_are_its_tasks(engine):
    service_id = engine.create()
    (task,) = engine.until_running(engine.name, 1)
    engine.api.remove_service(service_id)
    with pytest.raises(NotFound):
        engine.service(service_id)
    engine.until(lambda: task["ID"] not in {other["ID"] for other in engine.get("/tasks")}, "its task is gone")


def test_the_version_moves_with_each_write(engine):
    engine.create(engine.spec(replicas=0))
    before = engine.service(engine.name)
    after = engine.change(engine.name, lambda spec: spec.update(Labels={"a": "b"}))
    assert before["Version"]["Index"] < after["Version"]["Index"]
    assert before["CreatedAt"] == after["CreatedAt"] < after["UpdatedAt"]


def test_a_write_against_an_older_version_is_a_500_with_swarms_words(engine):
    engine.create(engine.spec(replicas=0))
    old = engine.service(engine.name)
    engine.change(engine.name, lambda spec: spec.update(Labels={"a": "b"}))
    index = old["Version"]["Index"]
    refusal = engine.refused(lambda: engine.post(f"/services/{old['ID']}/update", old["Spec"], version=index))
    assert (500, "rpc error: code = Unknown desc = update out of sequence") == refusal


def test_the_previous_spec_is_that_before_the_last_write(engine):
    engine.create(engine.spec(replicas=0, Labels={"n": "1"}))
    engine.change(engine.name, lambda spec: spec.update(Labels={"n": "2"}))
    after = engine.change(engine.name, lambda spec: spec.update(Labels={"n": "3"}))
    assert {"n": "2"} == after["PreviousSpec"]["Labels"]


def test_a_published_port_is_in_the_endpoint(engine):
    port = free_port()
    engine.create(engine.spec(replicas=0, EndpointSpec={"Ports": [{"TargetPort": 80, "PublishedPort": port}]}))
    ports = engine.until(lambda: engine.service(engine.name)["Endpoint"].get("Ports"), "the port is given")
    shown = {"Protocol": "tcp", "TargetPort": 80, "PublishedPort": port, "PublishMode": "ingress"}
    assert [shown] == ports


def test_a_port_that_is_left_open_is_chosen_from_30000_on(engine):
    engine.create(engine.spec(replicas=0, EndpointSpec={"Ports": [{"TargetPort": 80}]}))
    (port,) = engine.until(lambda: engine.service(engine.name)["Endpoint"].get("Ports"), "a port is given")
    assert port["PublishedPort"] >= 30000
