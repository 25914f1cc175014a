"""A service's description: short forms, bounds, and errors that say the way out."""

from typing import Any

import pytest
from pydantic import ValidationError

from funswarm.explain import explain
from funswarm.spec import ServicePatch, ServiceSpec
from funswarm.units import duration_s, size_bytes


def _spec(**fields: Any) -> Any:
    return ServiceSpec.model_validate({"name": "web", "image": "nginx:1", **fields})


def _problem(**fields: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        _spec(**fields)
    return explain(caught.value, ServiceSpec)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10s", 10), ("1m30s", 90), ("500ms", 0.5), ("1.5h", 5400), ("15", 15), (2, 2),
        (".5s", 0.5), ("1.s", 1), ("+5m", 300), ("0", 0), ("1\u00b5s", 1e-6), ("1\u03bcs", 1e-6),
    ],
)  # fmt: skip
def test_durations_are_read_as_go_writes_them(text, expected):
    assert expected == duration_s(text)


@pytest.mark.parametrize(
    ("text", "expected"), [("64M", 64 << 20), ("1.5g", 3 << 29), ("1KiB", 1024), ("7b", 7), ("7", 7), (9, 9)]
)
def test_sizes_are_powers_of_1024(text, expected):
    assert expected == size_bytes(text)


@pytest.mark.parametrize("text", ["ten", "", "1x", "-1s", "1s ", ".s", "+", "s"])
def test_what_is_no_duration_is_refused(text):
    assert "is no duration" in _problem(stop_grace_period=text)


def test_a_number_is_the_target_port():
    assert (80, None) == (_spec(ports=[80]).ports[0].target, _spec(ports=[80]).ports[0].published)


def test_a_port_is_read_as_docker_writes_it():
    port = _spec(ports=["8080:80/udp"]).ports[0]
    assert (8080, 80, "udp", "ingress") == (port.published, port.target, port.protocol, port.mode)


def test_a_range_of_ports_is_refused_with_the_way_out():
    assert "one for each port of a range" in _problem(ports=["8000-8002:80"])


def test_a_port_published_twice_is_refused():
    assert "(80, 'tcp') is there twice" in _problem(ports=["80:80", "80:81"])


def test_an_absolute_source_makes_a_bind():
    mount = _spec(mounts=["/srv:/data:ro"]).mounts[0]
    assert ("bind", "/srv", True) == (mount.type, mount.source, mount.read_only)


def test_a_field_of_another_mount_type_is_refused():
    assert "`size` is for a tmpfs mount" in _problem(mounts=[{"target": "/a", "source": "v", "size": "1M"}])


def test_networks_and_secrets_have_a_short_form():
    spec = _spec(networks=["front"], secrets=["key"])
    assert ("front", "key", 0o444) == (spec.networks[0].name, spec.secrets[0].name, spec.secrets[0].mode)


def test_numbers_in_env_become_texts():
    assert {"PORT": "80"} == _spec(env={"PORT": 80}).env


def test_a_text_is_split_into_words_as_a_shell_would():
    assert ("sh", "-c", "echo 1") == _spec(args="sh -c 'echo 1'").args


@pytest.mark.parametrize("name", ["", "-web", "web-", "a.b", "a b", "a" * 64, "ü", "web\n"])
def test_a_name_that_swarm_refuses_is_refused(name):
    assert _problem(name=name)


@pytest.mark.parametrize("image", ["nginx", "nginx:1.29-alpine", "localhost:5000/a/b:x", "a/b@sha256:" + "0" * 64])
def test_an_image_is_taken_as_docker_takes_it(image):
    assert image == _spec(image=image).image


@pytest.mark.parametrize("image", ["Nginx", "ng inx", "nginx:", ":1", "a//b", "nginx\n"])
def test_what_is_no_image_is_refused(image):
    assert _problem(image=image)


def test_an_unknown_field_gets_a_suggestion():
    assert "prots: unknown field, did you mean ports?" == _problem(prots=[80])


def test_our_own_labels_are_refused():
    assert "Funswarm's own" in _problem(labels={"funswarm.command": "x"})


def test_replicas_of_a_global_service_are_refused_with_the_way_out():
    assert "takes none (it runs once on each node)" in _problem(mode="global", replicas=2)


def test_a_job_is_not_rolled_out():
    assert "a job is not rolled out" in _problem(mode="replicated-job", update_config={"parallelism": 1})


def test_ingress_ports_need_a_virtual_ip():
    assert "use mode 'host'" in _problem(endpoint_mode="dnsrr", ports=["80:80"])


def test_too_little_memory_is_refused():
    assert "4M or more" in _problem(resources={"limits": {"memory": "1M"}})


def test_a_patch_takes_keys_away_with_null():
    assert {"A": None, "B": "1"} == ServicePatch.model_validate({"env": {"A": None, "B": 1}}).env


def test_a_patch_does_not_take_a_name_or_a_mode():
    for field in ("name", "mode"):
        with pytest.raises(ValidationError):
            ServicePatch.model_validate({field: "global"})


def test_a_spec_survives_json():
    spec = _spec(ports=["80:80"], mounts=["v:/v"], secrets=["s"], ulimits={"nofile": 9}, stop_grace_period="1m")
    assert spec == ServiceSpec.model_validate_json(spec.model_dump_json())
