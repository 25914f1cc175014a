"""What a policy allows, what an update may keep, what is protected, and how much there may be."""

import pytest

from funswarm.spec import ServiceSpec
from services.scheduler.admission.fields import unknown_fields
from services.scheduler.admission.loading import parse
from services.scheduler.admission.policy import Policy
from services.scheduler.admission.rules import Case, Usage, judge, needs_networks, texts, weight
from services.scheduler.names import Names
from services.scheduler.to_engine import create_spec
from tests.engine.test_specs import WHOLE
from tests.unit.scheduler.admission.corpus import base, laid_over

SOCKET = {"Type": "bind", "Source": "/var/run/docker.sock", "Target": "/s"}


def _rules(policy, before, after, verb="update", **known):
    policy = parse(policy) if policy else Policy()
    return [refusal.rule for refusal in judge(policy, Case(verb, before, after, **known))]


def _web(*, replicas=1, image="nginx:1", name="web", **container):
    labels = container.pop("labels", {})
    return {
        "Name": name,
        "Labels": labels,
        "TaskTemplate": {"ContainerSpec": {"Image": image, **container}},
        "Mode": {"Replicated": {"Replicas": replicas}},
    }


# Without a file.
def test_a_service_without_access_to_the_host_is_free():
    assert [] == _rules(None, None, _web(image="evil.example/x", User="root", replicas=9999))


@pytest.mark.parametrize(
    ("rule", "fields"),
    [
        ("mounts", {"Mounts": [{"Type": "bind", "Source": "/srv", "Target": "/x"}]}),
        ("engine-socket", {"Mounts": [SOCKET]}),
        (
            "volume-drivers",
            {"Mounts": [{"Type": "volume", "VolumeOptions": {"DriverConfig": {"Options": {"o": "bind"}}}}]},
        ),
        ("capabilities", {"CapabilityAdd": ["NET_ADMIN"]}),
        ("privileges", {"Privileges": {"Seccomp": {"Mode": "unconfined"}}}),
    ],
)
def test_access_to_the_host_is_refused_without_a_file(rule, fields):
    assert [rule] == _rules(None, None, _web(**fields))


@pytest.mark.parametrize("text", ["v", "v-{{.Task.Slot}}", "{{.Node.Hostname}}_data", ""])
def test_a_volume_of_dockers_own_driver_is_allowed(text):
    assert [] == _rules(None, None, _web(Mounts=[{"Type": "volume", "Source": text, "Target": "/x"}]))


def test_all_that_a_command_can_say_is_of_known_fields():
    uses = {"networks": ["n"], "secrets": ["s"], "configs": ["c"]}
    spec = ServiceSpec.model_validate({"name": "web", "image": "x", "sysctls": {"a": "1"}, **WHOLE, **uses})
    raw = create_spec(spec, Names({"n": "n1"}, {"s": "s1"}, {"c": "c1"}))
    assert [] == list(unknown_fields(Policy(), raw))


# With one.
@pytest.mark.parametrize(
    ("policy", "fields"),
    [
        ("mounts: {host_paths: [/srv/data]}", {"Mounts": [{"Type": "bind", "Source": "/srv//data/"}]}),
        ("mounts: {host_paths: [/srv/**]}", {"Mounts": [{"Type": "bind", "Source": "/srv"}]}),
        ("mounts: {host_paths: [/srv/**]}", {"Mounts": [{"Type": "bind", "Source": "/srv/a/b"}]}),
        ("mounts: {host_paths: ['/etc/x:ro']}", {"Mounts": [{"Type": "bind", "Source": "/etc/x", "ReadOnly": True}]}),
        ("mounts: {host_paths: [/var/run/docker.sock], engine_socket: true}", {"Mounts": [SOCKET]}),
        ("mounts: {volume_drivers: [local, rex]}", {"Mounts": [
            {"Type": "volume", "VolumeOptions": {"DriverConfig": {"Name": "rex"}}}]}),
        ("mounts: {volume_options: [{type: nfs, device: ':/a'}]}", {"Mounts": [
            {"Type": "volume", "VolumeOptions": {"DriverConfig": {"Options": {"device": ":/a", "type": "nfs"}}}}]}),
        ("mounts: {images: true}", {"Mounts": [{"Type": "image", "Source": "data:1"}]}),
        ("mounts: {cluster: true}", {"Mounts": [{"Type": "cluster", "Source": "csi"}]}),
        ("capabilities: [cap_net_admin]", {"CapabilityAdd": ["NET_ADMIN"]}),
        ("capabilities: [ALL]", {"CapabilityAdd": ["SYS_ADMIN", "all"]}),
        ("privileges: true", {"Privileges": {"Seccomp": {"Mode": "unconfined"}, "SELinuxContext": {"Disable": True}}}),
        ("no_new_privileges: true", {"Privileges": {"NoNewPrivileges": True}}),
        ("non_root: true", {"User": "1000:0"}),
        ("sysctls: ['net.*']", {"Sysctls": {"net.core.somaxconn": "9"}}),
        ("oom_score_min: -500", {"OomScoreAdj": -500}),
        ("images: {pinned: true}", {"Image": "nginx@sha256:" + "a" * 64}),
        ("images: {allowed: [nginx]}", {"Image": "docker.io/nginx:9"}),
        ("unknown_fields: true", {"Devices": ["/dev/sda"]}),
        ("labels: {required: {team: 'a*'}}", {"labels": {"team": "ab"}}),
        ("labels: {reserved: []}", {"labels": {"com.docker.x": "1"}}),
    ],
)  # fmt: skip
def test_what_a_policy_allows_is_admitted(policy, fields):
    assert [] == _rules(policy, None, _web(**fields))


@pytest.mark.parametrize(
    ("policy", "fields", "rule"),
    [
        ("images: {pinned: true}", {"image": "nginx:1"}, "digests"),
        ("no_new_privileges: true", {}, "privileges"),
        ("labels: {required: {team: '?*'}}", {"labels": {"team": ""}}, "required-labels"),
        ("labels: {required: {team: '*'}}", {}, "required-labels"),
        ("modes: [global]", {}, "modes"),
        ("mounts: {images: true}\nimages: {allowed: [nginx]}",
         {"Mounts": [{"Type": "image", "Source": "evil/x"}]}, "images"),
    ],
)  # fmt: skip
def test_what_a_policy_asks_for_is_missed(policy, fields, rule):
    assert [rule] == _rules(policy, None, _web(**fields))


@pytest.mark.parametrize("network", ["bridge", "none"])
def test_a_network_of_the_node_that_is_not_its_own_is_allowed(network):
    spec = {**_web(), "Networks": [{"Target": network}]}
    assert [] == _rules(None, None, spec)


def test_a_name_of_our_own_is_free_in_other_networks():
    spec = laid_over(_web(name="nats"), {"TaskTemplate": {"Networks": [{"Target": "n2", "Aliases": ["api"]}]}})
    assert [] == _rules(None, None, spec, networks={"n2": "back"})


def test_a_service_may_not_take_a_name_of_ours_in_our_network():
    spec = laid_over(_web(name="nats"), {"TaskTemplate": {"Networks": [{"Target": "n1"}]}})
    assert ["protected-hosts"] == _rules(None, None, spec, networks={"n1": "fun-swarm"})


@pytest.mark.parametrize(
    "text", ["web", "{{.Node.Hostname}}", "{{.Node.Hostname}}-{{.Task.Slot}}", "{{.Service.Name}}.x"]
)
def test_a_host_name_that_is_none_of_ours_is_free_in_our_network(text):
    spec = laid_over(_web(Hostname=text), {"TaskTemplate": {"Networks": [{"Target": "n1"}]}})
    assert [] == _rules(None, None, spec, networks={"n1": "fun-swarm"})


def test_networks_are_asked_for_where_the_host_name_is_another():
    one = laid_over(_web(), {"TaskTemplate": {"Networks": [{"Target": "n1"}]}})
    other = laid_over(one, {"TaskTemplate": {"ContainerSpec": {"Hostname": "nats"}}})
    assert needs_networks(Case("update", one, other))


def test_networks_are_asked_for_only_where_one_is_new_or_other_code_would_get_it():
    one = laid_over(_web(), {"TaskTemplate": {"Networks": [{"Target": "n1"}]}})
    other = laid_over(one, {"TaskTemplate": {"ContainerSpec": {"Env": ["A=1"]}}})
    cases = [
        Case("create", None, one),
        Case("scale", one, one),
        Case("update", one, other),
        Case("update", _web(), one),
    ]
    assert [True, False, True, True] == [needs_networks(case) for case in cases]


# What was there before.
@pytest.mark.parametrize(
    "change", [{"image": "nginx:2"}, {"replicas": 9}, {"labels": {"a": "b"}}, {"StopSignal": "SIGINT"}]
)
def test_what_a_service_has_already_it_keeps(change):
    assert [] == _rules(None, _web(Mounts=[SOCKET]), _web(Mounts=[SOCKET], **change))


@pytest.mark.parametrize(
    "change",
    [
        {"image": "evil/nginx:1"},
        {"Command": ["sh"]},
        {"Args": ["x"]},
        {"Env": ["BASH_ENV=$(id)"]},
        {"User": "0"},
        {"Healthcheck": {"Test": ["CMD", "id"]}},
        {"Configs": [{"ConfigID": "c1", "ConfigName": "c"}]},
    ],
)
def test_other_code_does_not_get_what_a_service_keeps(change):
    assert ["kept-access"] == _rules(None, _web(Mounts=[SOCKET]), _web(Mounts=[SOCKET], **change))


@pytest.mark.parametrize(
    "change",
    [
        {"TaskTemplate": {"Networks": [{"Target": "n9"}]}},
        {"EndpointSpec": {"Ports": [{"TargetPort": 2375, "PublishedPort": 2375}]}},
        {"TaskTemplate": {"Placement": {"Constraints": ["node.role==manager"]}}},
    ],
)
def test_nobody_else_reaches_what_a_service_keeps(change):
    before = _web(Mounts=[SOCKET])
    assert ["kept-access"] == _rules(None, before, laid_over(before, change), networks={"n9": "mine"})


def test_a_policy_can_leave_the_code_free():
    before, after = _web(Mounts=[SOCKET]), _web(Mounts=[SOCKET], Command=["sh"])
    assert [] == _rules("kept_access: any-code", before, after)


def test_a_kept_mount_said_again_is_the_same():
    full = {**SOCKET, "ReadOnly": False, "BindOptions": {}}
    assert [] == _rules(None, _web(Mounts=[full]), _web(Mounts=[SOCKET]))


@pytest.mark.parametrize("change", [{"ReadOnly": False}, {"Target": "/t"}, {"Source": "/run/docker.sock"}])
def test_a_changed_mount_is_a_new_one(change):
    before = _web(Mounts=[{**SOCKET, "ReadOnly": True}])
    assert "engine-socket" in _rules(None, before, _web(Mounts=[{**SOCKET, "ReadOnly": True, **change}]))


def test_what_is_too_much_may_become_less_and_not_more():
    before = _web(replicas=20)
    found = [_rules("replicas_max: 10", before, _web(replicas=count)) for count in (20, 19, 21)]
    assert [[], [], ["replicas"]] == found


def test_a_rollback_brings_swarms_own_labels_back():
    before, after = _web(labels={"com.docker.stack.image": "a"}), _web(labels={"com.docker.stack.image": "b"})
    assert [] == _rules(None, before, after, "rollback")


# Protected.
@pytest.mark.parametrize("spec", [_web(name="funswarm_nats"), _web(labels={"funswarm.protected": "true"})])
@pytest.mark.parametrize("verb", ["update", "scale", "restart", "rollback", "remove"])
def test_a_protected_service_is_not_touched(verb, spec):
    assert ["protected-services"] == _rules(None, spec, None if verb == "remove" else spec, verb)


def test_nobody_creates_a_service_of_a_protected_name():
    assert ["protected-services"] == _rules(None, None, _web(name="funswarm_api"), "create")


def test_other_services_are_removed():
    assert [] == _rules(None, _web(Mounts=[SOCKET]), None, "remove")


# Quotas and exemptions.
@pytest.mark.parametrize(
    ("before", "replicas", "used", "expected"),
    [
        (None, 5, Usage(1, 5), []),
        (None, 6, Usage(1, 5), ["quotas"]),
        (None, 1, Usage(2, 5), ["quotas"]),
        (9, 8, Usage(5, 50), []),
        (4, 5, Usage(5, 5), []),
        (4, 6, Usage(5, 5), ["quotas"]),
    ],
)
def test_a_quota_is_of_the_namespace_as_a_whole(before, replicas, used, expected):
    policy = "quotas: {a: {services: 2, replicas: 10}}"
    old = None if before is None else _web(name="a_web", replicas=before)
    assert expected == _rules(policy, old, _web(name="a_web", replicas=replicas), used=used)


def test_a_star_is_the_quota_of_each_other_namespace():
    policy = "quotas: {a: {services: 9}, '*': {services: 0}}"
    found = [_rules(policy, None, _web(name=name), used=Usage(0, 0)) for name in ("a_web", "b_web", "web")]
    assert [[], ["quotas"], ["quotas"]] == found


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ({"Replicated": {"Replicas": 3}}, 3),
        ({"Replicated": {}}, 1),
        ({"Global": {}}, 1),
        ({"ReplicatedJob": {"TotalCompletions": 7, "MaxConcurrent": 2}}, 7),
        ({"ReplicatedJob": {"MaxConcurrent": 2}}, 2),
    ],
)
def test_a_service_weighs_what_it_may_run(mode, expected):
    assert expected == weight({**base(), "Mode": mode})


def test_an_exemption_is_of_name_image_and_rules():
    policy = "exemptions: [{services: ['infra_*'], images: [traefik], rules: [engine-socket]}]"
    specs = [
        _web(name="infra_t", image="traefik:3", Mounts=[SOCKET]),
        _web(name="web", image="traefik:3", Mounts=[SOCKET]),
        _web(name="infra_t", image="evil/traefik:3", Mounts=[SOCKET]),
        _web(name="infra_t", image="traefik:3", Mounts=[SOCKET], CapabilityAdd=["ALL"]),
    ]
    assert [[], ["engine-socket"], ["engine-socket"], ["capabilities"]] == [_rules(policy, None, one) for one in specs]


# What is said.
def test_a_refusal_names_the_rule_and_the_way_out():
    (text,) = texts(judge(Policy(), Case("create", None, _web(CapabilityAdd=["net_admin"]))))
    assert text == (
        "[capabilities] the capability NET_ADMIN is not allowed: leave it out, or list it under `capabilities` of the "
        "policy"
    )


def test_no_value_that_may_be_a_secret_is_said():
    options = {"type": "cifs", "o": "password=canary"}
    volume = {"Type": "volume", "VolumeOptions": {"DriverConfig": {"Options": options}}}
    spec = laid_over(
        _web(Mounts=[volume], Sysctls={"a": "canary"}, Secret={"x": "canary"}),
        {
            "TaskTemplate": {"LogDriver": {"Name": "x", "Options": {"api-key": "canary"}}},
            "Labels": {"funswarm.protected": "canary"},
        },
    )
    said = texts(judge(Policy(), Case("create", None, spec)))
    assert (6, False) == (len(said), "canary" in " ".join(said))


def test_what_is_said_is_bounded():
    mounts = [{"Type": "bind", "Source": "/" + "x" * 4000, "Target": f"/{number}"} for number in range(100)]
    said = texts(judge(Policy(), Case("create", None, _web(Mounts=mounts))))
    assert (11, "and 90 more") == (len(said), said[-1])
    assert sum(map(len, said)) < 6000
