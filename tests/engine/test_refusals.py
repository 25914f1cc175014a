"""What the engine refuses, with which status and in which words: clients match on both."""

import pytest

from tests.servers import free_port

INVALID = "rpc error: code = InvalidArgument desc = "
UNKNOWN = "rpc error: code = Unknown desc = "
PORT = {"TargetPort": 80, "PublishedPort": 38999}

TEMPLATES = [
    ({"Placement": {"Constraints": ["foo"]}}, 500, UNKNOWN + "constraint expected one operator from ==, !="),
    ({"Placement": {"Constraints": ["no de==x"]}}, 500, UNKNOWN + "key 'no de' is invalid"),
    ({"RestartPolicy": {"Condition": "sometimes"}}, 400, 'invalid RestartCondition: "sometimes"'),
    ({"RestartPolicy": {"Delay": -1}}, 400, INVALID + "TaskSpec: restart-delay cannot be negative"),
    (
        {"Resources": {"Limits": {"MemoryBytes": 1000}}},
        400,
        INVALID + "invalid memory value 1000: Must be at least 4MiB",
    ),
    (
        {"Resources": {"Reservations": {"NanoCPUs": 1000}}},
        400,
        INVALID + "invalid cpu value 1e-06: Must be at least 0.001",
    ),
    ({"Networks": [{"Target": "no-such-network"}]}, 500, "network no-such-network not found"),
    (
        {"Networks": [{"Target": "ingress"}]},
        400,
        INVALID + 'Service cannot be explicitly attached to the ingress network "ingress"',
    ),
    ({"ContainerSpec": {}}, 400, INVALID + "ContainerSpec: image reference must be provided"),
    ({"ContainerSpec": {"Image": "A B"}}, 400, INVALID + 'ContainerSpec: "A B" is not a valid repository/tag'),
    ({"ContainerSpec": None}, 400, "mismatched Runtime and *Spec fields"),
]

PARTS = [
    ({"Mode": {"Replicated": {"Replicas": 1}, "Global": {}}}, "must specify only one service mode"),
    ({"Mode": {"ReplicatedJob": {}}, "UpdateConfig": {}}, INVALID + "Jobs may not have an update config"),
    ({"UpdateConfig": {"FailureAction": "hope"}}, "unrecognized update failure action hope"),
    ({"UpdateConfig": {"Order": "any"}}, "unrecognized update order any"),
    ({"UpdateConfig": {"Delay": -1}}, INVALID + "TaskSpec: update-delay cannot be negative"),
    (
        {"UpdateConfig": {"MaxFailureRatio": 2}},
        INVALID + "TaskSpec: update-maxfailureratio cannot be less than 0 or bigger than 1",
    ),
    (
        {"EndpointSpec": {"Mode": "dnsrr", "Ports": [PORT]}},
        INVALID + "EndpointSpec: port published with ingress mode can't be used with dnsrr mode",
    ),
    ({"EndpointSpec": {"Ports": [PORT, PORT]}}, INVALID + "EndpointSpec: duplicate published ports provided"),
    ({"EndpointSpec": {"Mode": "round"}}, 'invalid resolution mode: "round"'),
    ({"Name": "a b"}, INVALID + "name must be valid as a DNS name component"),
    ({"Name": "n" * 64}, INVALID + "name must be 63 characters or fewer"),
]


@pytest.mark.parametrize(("template", "status", "text"), TEMPLATES)
def test_a_bad_task_template_is_refused(engine, template, status, text):
    assert (status, text) == engine.refused(lambda: engine.create(engine.spec(template=template)))


@pytest.mark.parametrize(("parts", "text"), PARTS)
def test_a_bad_spec_is_refused(engine, parts, text):
    assert (400, text) == engine.refused(lambda: engine.create({**engine.spec(), **parts}))


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        ({"Mode": {"Replicated": {"Replicas": -1}}}, "cannot unmarshal number -1 into Go struct field"),
        ({"Mode": {"Replicated": {"Replicas": "3"}}}, "cannot unmarshal string into Go struct field"),
        ({"UpdateConfig": {"Delay": "5s"}}, "cannot unmarshal string into Go struct field"),
        ({"UpdateConfig": []}, "cannot unmarshal array into Go struct field"),
        ({"TaskTemplate": "nginx"}, "cannot unmarshal string into Go struct field"),
        ({"TaskTemplate": {"ContainerSpec": {"Image": "i", "Command": "x"}}}, "cannot unmarshal string into Go"),
        ({"Labels": ["a"]}, "cannot unmarshal array into Go struct field"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(engine, parts, problem):
    status, text = engine.refused(lambda: engine.create({**engine.spec(), **parts}))
    assert (400, True) == (status, problem in text), text


def test_a_name_that_is_taken_is_a_conflict(engine):
    engine.create(engine.spec(replicas=0))
    text = f"name conflicts with an existing object: service {engine.name} already exists"
    assert (409, f"rpc error: code = AlreadyExists desc = {text}") == engine.refused(engine.create)


def test_a_port_that_is_taken_is_refused(engine):
    port = free_port()
    endpoint = {"Ports": [{"TargetPort": 80, "PublishedPort": port}]}
    service_id = engine.create(engine.spec(replicas=0, EndpointSpec=endpoint))
    why = f"is already in use by service '{engine.name}' ({service_id}) as an ingress port"
    second = engine.spec(suffix="-2", EndpointSpec=endpoint)
    assert (400, f"{INVALID}port '{port}' {why}") == engine.refused(lambda: engine.create(second))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"Name": "another"}, "renaming services is not supported"),
        ({"Mode": {"Global": {}}}, "service mode change is not allowed"),
    ],
)
def test_name_and_mode_are_for_good(engine, change, text):
    engine.create(engine.spec(replicas=0))
    refusal = engine.refused(lambda: engine.change(engine.name, lambda spec: spec.update(change)))
    assert (501, f"rpc error: code = Unimplemented desc = {text}") == refusal


def test_there_is_no_rollback_before_the_first_write(engine):
    service_id = engine.create(engine.spec(replicas=0))
    refusal = engine.refused(lambda: engine.change(engine.name, lambda _: None, rollback="previous"))
    text = f"service {service_id} does not have a previous spec"
    assert (400, f"rpc error: code = FailedPrecondition desc = {text}") == refusal


def test_an_update_must_name_a_version(engine):
    service_id = engine.create(engine.spec(replicas=0))
    status, text = engine.refused(lambda: engine.post(f"/services/{service_id}/update", engine.spec()))
    assert (400, True) == (status, text.startswith("invalid service version ''"))


@pytest.mark.parametrize("kind", ["service", "task", "node", "network", "secret", "config"])
def test_what_is_not_there_is_a_404(engine, kind):
    assert (404, f"{kind} no-such-one not found") == engine.refused(lambda: engine.get(f"/{kind}s/no-such-one"))


def test_a_removal_of_what_is_not_there_is_a_404(engine):
    refusal = engine.refused(lambda: engine.api.remove_service("no-such-one"))
    assert (404, "service no-such-one not found") == refusal


def test_tasks_of_an_unknown_service_are_a_404(engine):
    assert (404, "service no-such-one not found") == engine.refused(lambda: engine.tasks("no-such-one"))


def test_an_unknown_filter_is_refused(engine):
    status, text = engine.refused(lambda: engine.get("/services", filters='{"foo": ["bar"]}'))
    assert (400, "invalid filter 'foo'") == (status, text.lower())


def test_an_unknown_path_is_a_404(engine):
    assert (404, "page not found") == engine.refused(lambda: engine.get("/no-such-path"))


def test_a_body_that_is_no_json_is_refused(engine):
    url = engine.api._url("/services/create")
    headers = {"Content-Type": "application/json"}
    assert engine.api._post(url, data="{no", headers=headers).status_code == 400
