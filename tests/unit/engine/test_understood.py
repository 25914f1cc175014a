"""The engine's JSON becomes states: nothing lost that we promise, nothing leaked that we must not."""

import copy

import pytest

from funswarm.state import Address, Port, UpdateStatus
from services.engine.others import node_state
from services.engine.understood import named, service_state, task_state, unchanged
from tests.unit.engine.raws import raw_node, raw_service, raw_task


def test_a_service_is_understood():
    state = service_state(raw_service(), {})
    assert ("service-web", "web", 10, "replicated", 2) == (
        state.id,
        state.name,
        state.version,
        state.mode,
        state.replicas,
    )
    assert ("nginx:1.27", {"team": "a"}) == (state.image, state.labels)


def test_values_of_environment_variables_are_redacted_and_their_names_stay():
    state = service_state(raw_service(), {})
    assert ["TOKEN=[redacted]", "DEBUG"] == state.spec["TaskTemplate"]["ContainerSpec"]["Env"]


def test_a_plugins_environment_is_redacted_too():
    raw = raw_service()
    raw["Spec"]["TaskTemplate"] = {"PluginSpec": {"Remote": "vendor/plugin", "Env": ["KEY=value"]}}
    state = service_state(raw, {})
    assert ("vendor/plugin", ["KEY=[redacted]"]) == (state.image, state.spec["TaskTemplate"]["PluginSpec"]["Env"])


def test_redaction_leaves_the_given_json_alone():
    raw = raw_service()
    before = copy.deepcopy(raw)
    service_state(raw, {})
    assert before == raw


def test_no_secret_is_left_in_what_is_published():
    raw = raw_service(PreviousSpec=raw_service()["Spec"])
    assert "secret" not in service_state(raw, {}).model_dump_json()


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ({"Replicated": {"Replicas": 0}}, ("replicated", 0)),
        ({"Replicated": {}}, ("replicated", 1)),
        ({"Global": {}}, ("global", None)),
        ({"ReplicatedJob": {"MaxConcurrent": 2, "TotalCompletions": 7}}, ("replicated-job", 7)),
        ({"ReplicatedJob": {"MaxConcurrent": 2}}, ("replicated-job", 2)),
        ({"GlobalJob": {}}, ("global-job", None)),
    ],
)
def test_each_mode_is_understood(mode, expected):
    state = service_state(raw_service(mode=mode), {})
    assert expected == (state.mode, state.replicas)


def test_an_unknown_mode_is_no_service():
    with pytest.raises(ValueError, match="mode"):
        service_state(raw_service(mode={"Sometimes": {}}), {})


def test_a_first_job_iteration_is_zero_and_a_service_has_none():
    job = service_state(raw_service(mode={"GlobalJob": {}}, JobStatus={"JobIteration": {}}), {})
    assert (0, None) == (job.job_iteration, service_state(raw_service(), {}).job_iteration)


def test_ports_and_virtual_ips_are_those_in_effect():
    endpoint = {
        "Ports": [{"Protocol": "udp", "TargetPort": 53, "PublishedPort": 30001, "PublishMode": "ingress"}],
        "VirtualIPs": [{"NetworkID": "n1", "Addr": "10.0.0.2/24"}, {"NetworkID": "n2"}],
    }
    state = service_state(raw_service(Endpoint=endpoint), {"n1": "front"})
    assert (Port(target=53, published=30001, protocol="udp"),) == state.ports
    assert (
        Address(network_id="n1", network="front", addresses=("10.0.0.2/24",)),
        Address(network_id="n2"),
    ) == state.virtual_ips


def test_an_update_status_without_a_state_is_none():
    assert service_state(raw_service(UpdateStatus={}), {}).update_status is None


def test_an_update_status_is_carried():
    raw = raw_service(UpdateStatus={"State": "paused", "Message": "update paused", "StartedAt": "t1"})
    expected = UpdateStatus(state="paused", message="update paused", started_at="t1")
    assert expected == service_state(raw, {}).update_status


def test_a_task_is_understood_with_names():
    state = task_state(raw_task(), {"service-web": "web"}, {"node-alpha": "alpha"}, {})
    assert state is not None
    assert ("web.1", "web", "alpha", "running", "c1", None) == (
        state.name,
        state.service_name,
        state.node_name,
        state.state,
        state.container_id,
        state.exit_code,
    )
    assert ((Port(target=80, published=8080, mode="host"),), 3) == (state.ports, state.force_update)


def test_the_exit_code_is_there_once_the_container_ended():
    raw = raw_task()
    raw["Status"] |= {"State": "failed", "ContainerStatus": {"ContainerID": "c1", "ExitCode": 3}}
    state = task_state(raw, {}, {}, {})
    assert state is not None
    assert 3 == state.exit_code


def test_a_global_services_task_is_named_by_its_node():
    state = task_state(raw_task(slot=None), {"service-web": "web"}, {}, {})
    assert state is not None
    assert ("web.node-alpha", None) == (state.name, state.slot)


def test_a_plain_containers_attachment_to_a_network_is_no_task():
    assert task_state(raw_task() | {"ServiceID": ""}, {}, {}, {}) is None


def test_a_tasks_networks_bring_their_names_along():
    attachment = {"Network": {"ID": "n1", "Spec": {"Name": "front"}}, "Addresses": ["10.0.0.3/24"]}
    state = task_state(raw_task(NetworksAttachments=[attachment]), {}, {}, {})
    assert state is not None
    assert (Address(network_id="n1", network="front", addresses=("10.0.0.3/24",)),) == state.addresses


def test_a_task_keeps_its_last_name_when_its_service_is_gone():
    state = task_state(raw_task(), {"service-web": "web"}, {"node-alpha": "alpha"}, {})
    assert state is not None
    assert state is named(state, {}, {})


def test_a_task_takes_on_new_names():
    state = task_state(raw_task(), {}, {}, {})
    assert state is not None
    again = named(state, {"service-web": "web"}, {"node-alpha": "alpha"})
    assert ("web.1", "web", "alpha") == (again.name, again.service_name, again.node_name)


def test_a_node_is_understood():
    state = node_state(raw_node())
    assert ("alpha", "manager", "ready", True, "reachable", 1024) == (
        state.name,
        state.role,
        state.state,
        state.leader,
        state.reachability,
        state.memory_bytes,
    )


def test_a_node_has_its_own_labels_and_its_engines():
    raw = raw_node()
    raw["Spec"]["Labels"], raw["Description"]["Engine"]["Labels"] = {"own": "1"}, {"engine": "2"}
    state = node_state(raw)
    assert ({"own": "1"}, {"engine": "2"}) == (state.labels, state.engine_labels)


def test_a_node_that_never_joined_has_its_id_for_a_name():
    raw = raw_node()
    del raw["Description"], raw["ManagerStatus"], raw["Status"]
    state = node_state(raw)
    assert ("node-alpha", "unknown", False, None) == (state.name, state.state, state.leader, state.reachability)


def test_an_object_is_unchanged_while_its_version_is():
    state = service_state(raw_service(version=10), {})
    assert (True, False) == (unchanged(raw_service(version=10), state), unchanged(raw_service(version=11), state))


@pytest.mark.parametrize("manager", [{"Leader": False, "Reachability": "reachable"}, {"Leader": True}, None])
def test_a_managers_standing_changes_a_node_without_its_version(manager):
    assert not unchanged(raw_node(ManagerStatus=manager), node_state(raw_node()))
