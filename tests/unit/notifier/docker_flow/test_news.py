"""What is told: docker-flow-swarm-listener's parameters_test.go, minify_test.go and types_test.go, and who opts in.

Its cases of nodes and services with the same names and values.
"""

import json
from typing import Any

import pytest

from services.notifier.docker_flow.news import as_json, node_info, node_news, opts_in, query, service_news, with_query
from tests.builders import a_node, a_service, a_task
from tests.unit.notifier.docker_flow.scenes import labels, news_of, read

NODE = {
    "id": "nodeID", "hostname": "nodehostname", "address": "nodeaddr", "versionIndex": "10", "state": "ready",
    "role": "worker", "availability": "active", "world": "round", "wow": "yup",
}  # fmt: skip


def node(**others):
    values: dict[str, Any] = {
        "id": "nodeID", "version": 10, "address": "nodeaddr", "role": "worker",
        "engine_labels": {"com.df.world": "round"}, "labels": {"com.df.wow": "yup"},
    }  # fmt: skip
    news = node_news(a_node("nodehostname", **values | others))
    assert news is not None
    return news


def on(network: str, *addresses: str):
    return {"addresses": ({"network_id": f"id-{network}", "network": network, "addresses": addresses},)}


# Nodes.


def test_a_node_has_its_labels_and_what_it_is():
    assert NODE == node().create


def test_what_a_node_is_comes_before_its_labels():
    assert NODE == node(labels={"com.df.wow": "yup", "com.df.state": "cow"}).create


def test_of_a_label_of_node_and_engine_the_nodes_counts():
    told = node(labels={"com.df.wow": "yup", "com.df.dogs": "chase"}, engine_labels={"com.df.dogs": "cry"}).create
    assert "chase" == told["dogs"]


def test_a_node_that_goes_has_its_id_name_and_address():
    assert {"id": "nodeID", "hostname": "nodehostname", "address": "nodeaddr"} == node().remove


def test_a_node_that_is_down_counts_as_gone():
    assert node_news(a_node(state="down")) is None


def test_a_nodes_version_alone_is_no_news():
    assert node(version=10).mark == node(version=11).mark


@pytest.mark.parametrize(
    "others", [{"state": "unknown"}, {"availability": "drain"}, {"role": "manager"}, {"labels": {"com.df.a": "b"}}]
)
def test_what_a_node_is_is_news(others):
    assert node().mark != node(**others).mark


# Services.


def test_a_service_has_its_labels_and_replicas():
    expected = {"serviceName": "demo-go", "hello": "nyc", "distribute": "true", "replicas": "3"}
    assert expected == news_of("demo-go", replicas=3, hello="nyc").create


def test_a_global_service_has_no_replicas():
    told = service_news(a_service("demo-go", replicas=None, mode="global", labels=labels()), (), read()).create
    assert {"serviceName": "demo-go", "distribute": "true"} == told


def test_a_jobs_replicas_are_0():
    service = a_service("demo-go", mode="replicated-job", replicas=5, labels=labels())
    assert "0" == service_news(service, (), read()).create["replicas"]


def test_a_label_does_not_rename_a_service():
    assert "demo-go" == news_of("demo-go", serviceName="thisisbad").create["serviceName"]


@pytest.mark.parametrize("part", ["create", "remove"])
@pytest.mark.parametrize(("df", "distribute"), [({}, "true"), ({"distribute": "false"}, "false")])
def test_distribute_is_true_unless_a_label_says_otherwise(df, distribute, part):
    assert distribute == getattr(news_of("demo-go", **df), part)["distribute"]


@pytest.mark.parametrize("part", ["create", "remove"])
@pytest.mark.parametrize(
    ("df", "name"),
    [({"shortName": "true"}, "demo-go"), ({"shortName": "TRUE"}, "demo-go"), ({}, "stack_demo-go"),
     ({"shortName": "false"}, "stack_demo-go")],
)  # fmt: skip
def test_the_stacks_name_is_cut_where_a_label_wants_it(df, name, part):
    told = getattr(news_of("stack_demo-go", stack="stack", **df), part)
    assert (name, df.get("shortName")) == (told["serviceName"], told.get("shortName"))


def test_of_labels_only_com_df_are_told():
    service = a_service(
        labels=labels(port="80") | {"com.df.": "bare", "other": "no", "com.docker.stack.namespace": "s"}
    )
    assert {"serviceName", "port", "replicas", "distribute"} == set(service_news(service, (), read()).create)


def test_a_service_that_goes_has_its_labels_and_neither_replicas_nor_nodes():
    told = news_of("web", port="80", servicePath="/a").remove
    assert {"serviceName": "web", "distribute": "true", "port": "80", "servicePath": "/a"} == told


def test_the_label_of_the_opt_in_is_told_where_the_setting_has_a_value():
    assert "true" == news_of(environ={"DF_NOTIFY_LABEL": "com.df.notify=true"}).create["notify"]


def test_a_prefix_comes_before_the_name():
    assert "dev1_util-1" == news_of("util-1", environ={"DF_SERVICE_NAME_PREFIX": "dev1"}).create["serviceName"]


def test_a_prefix_keeps_the_stacks_name():
    news = news_of("s_web", stack="s", shortName="true", environ={"DF_SERVICE_NAME_PREFIX": "dev1"})
    assert "dev1_s_web" == news.create["serviceName"]


@pytest.mark.parametrize(
    "other",
    [news_of(replicas=4), news_of(replicas=0), news_of(port="81"), news_of(port="80", path="/")],
    ids=["replicas", "none", "changed label", "new label"],
)
def test_what_is_told_of_a_service_is_news(other):
    assert news_of(port="80", replicas=3).mark != other.mark


def test_a_new_image_is_news():
    one, other = (service_news(a_service(labels=labels(), image=image), (), read()) for image in ("a:1", "a:2"))
    assert (one.create, True) == (other.create, one.mark != other.mark)


def test_what_is_not_told_is_no_news():
    one, other = (service_news(a_service(labels=labels(), version=version), (), read()) for version in (1, 2))
    assert one == other


# The addresses of tasks.

WITH_NODES = {"DF_INCLUDE_NODE_IP_INFO": "true"}


def test_node_info_is_told_where_it_is_wanted():
    service = a_service(labels=labels(scrapeNetwork="net"))
    tasks = [a_task(slot=2, node="b", **on("net", "10.0.0.3/24")), a_task(slot=1, **on("net", "10.0.0.2/24"))]
    told = service_news(service, tasks, read(**WITH_NODES)).create["nodeInfo"]
    assert '[["alpha","10.0.0.2","node-alpha"],["b","10.0.0.3","node-b"]]' == told


def test_without_a_network_there_is_no_node_info():
    service = a_service(labels=labels())
    assert "nodeInfo" not in service_news(service, [a_task(**on("net", "10.0.0.2/24"))], read(**WITH_NODES)).create


def test_without_a_task_on_the_network_there_is_no_node_info():
    service = a_service(labels=labels(scrapeNetwork="net"))
    assert "nodeInfo" not in service_news(service, [a_task(**on("other", "1.2.3.4/8"))], read(**WITH_NODES)).create


def test_node_info_is_left_out_where_it_is_not_wanted():
    service = a_service(labels=labels(scrapeNetwork="net"))
    assert "nodeInfo" not in service_news(service, [a_task(**on("net", "10.0.0.2/24"))], read()).create


def test_a_node_without_an_address_is_there_once():
    tasks = [a_task(slot=slot, **on("net", f"10.0.0.{slot}/24")) for slot in (1, 2)]
    assert [["alpha", "", "node-alpha"]] == node_info(tasks, "net", with_address=False)


@pytest.mark.parametrize("others", [{"state": "starting"}, {"desired_state": "shutdown"}, {"node": None}])
def test_a_task_that_does_not_run_has_no_address(others):
    assert [] == node_info([a_task(**on("net", "10.0.0.2/24"), **others)], "net", with_address=True)


def test_another_address_is_news():
    service, settings = a_service(labels=labels(scrapeNetwork="net")), read(**WITH_NODES)
    one, other = (
        service_news(service, [a_task(**on("net", address))], settings) for address in ("10.0.0.2", "10.0.0.3")
    )
    assert one.mark != other.mark


# Who opts in.


@pytest.mark.parametrize(
    ("wanted", "have", "is_in"),
    [("com.df.notify", {"com.df.notify": "true"}, True), ("com.df.notify", {"com.df.notify": "True"}, True),
     ("com.df.notify", {"com.df.notify": "false"}, False), ("com.df.notify", {"com.df.notify": ""}, False),
     ("com.df.notify", {}, False), ("com.df.notify=dev", {"com.df.notify": "dev"}, True),
     ("com.df.notify=dev", {"com.df.notify": "true"}, False), ("", {"": "true"}, False)],
)  # fmt: skip
def test_who_opts_in(wanted, have, is_in):
    assert is_in == opts_in(have, wanted)


# Bytes.


def test_the_creation_of_a_service_to_the_byte():
    news = news_of("stack_web", stack="stack", replicas=3, port="8080", servicePath="/a", shortName="true")
    assert (
        "http://proxy:8080/v1/docker-flow-proxy/reconfigure?distribute=true&port=8080&replicas=3&serviceName=web"
        "&servicePath=%2Fa&shortName=true"
    ) == with_query("http://proxy:8080/v1/docker-flow-proxy/reconfigure", query(news.create))


def test_the_removal_of_a_service_to_the_byte():
    news = news_of("stack_web", stack="stack", replicas=3, port="8080", servicePath="/a", shortName="true")
    assert "distribute=true&port=8080&serviceName=web&servicePath=%2Fa&shortName=true" == query(news.remove)


def test_the_creation_of_a_node_to_the_byte():
    news = node_news(a_node("worker-1", id="abc", address="10.0.0.1", role="worker", version=24))
    assert news is not None
    expected = "address=10.0.0.1&availability=active&hostname=worker-1&id=abc&role=worker&state=ready&versionIndex=24"
    assert (expected, "address=10.0.0.1&hostname=worker-1&id=abc") == (query(news.create), query(news.remove))


def test_values_are_escaped_as_go_does():
    assert "a=x+y%2C%5B%22%2F%40%26%3D%2B%2A%21%27%28%29~-_.%25%C3%A4%0A" == query({"a": "x y,[\"/@&=+*!'()~-_.%ä\n"})


def test_keys_are_in_order():
    assert "A=1&a=2&a.1=3&b=" == query({"b": "", "a.1": "3", "a": "2", "A": "1"})


@pytest.mark.parametrize(
    ("url", "expected"),
    [("http://one/a?hello=world", "http://one/a?hello=world&serviceName=hello"),
     ("http://one/a?z=1&b=2 3&b=1", "http://one/a?b=2+3&b=1&z=1&serviceName=hello"),
     ("http://one?a", "http://one?a=&serviceName=hello"), ("http://one/%2Fa#x", "http://one/%2Fa?serviceName=hello")],
)  # fmt: skip
def test_the_urls_own_query_comes_first(url, expected):
    assert expected == with_query(url, "serviceName=hello")


def test_json_is_as_go_writes_it():
    assert '{"a":"\\u003cb\\u003e \\u0026 ä"}' == as_json({"a": "<b> & ä"})


def test_node_info_can_be_read_again():
    entries = [["node-1", "10.0.0.1", "id1"]]
    assert entries == json.loads(as_json(entries))
