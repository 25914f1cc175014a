"""Reading DF_…: docker-flow-swarm-listener's notifydistributor_test.go and args_test.go, and what is beyond them."""

import pytest

from funswarm.errors import Failed
from services.notifier.docker_flow.settings import Call, Calls, DockerFlowSettings, Receiver, read_secrets
from services.settings import Settings
from tests.unit.notifier.docker_flow.scenes import read

SPELLINGS = ("DF_NOTIFY_{}_SERVICE_URL", "DF_NOTIF_{}_SERVICE_URL", "DF_NOTIFICATION_URL")


def calls(create: str = "", remove: str = "") -> Calls:
    return Calls(Call(create) if create else None, Call(remove) if remove else None)


def test_urls_are_grouped_by_host_and_port():
    found = read(
        DF_NOTIFY_CREATE_SERVICE_URL="http://host1:8080/recofigureservice,http://host2:8080/recofigureservice",
        DF_NOTIFY_REMOVE_SERVICE_URL="http://host1:8080/removeservice,http://host2:8080/removeservice",
        DF_NOTIFY_CREATE_NODE_URL="http://host1:8080/reconfigurenode",
        DF_NOTIFY_REMOVE_NODE_URL="http://host2:8080/removenode",
    )
    first = calls("http://host1:8080/recofigureservice", "http://host1:8080/removeservice")
    second = calls("http://host2:8080/recofigureservice", "http://host2:8080/removeservice")
    assert (
        Receiver("host1:8080", first, calls("http://host1:8080/reconfigurenode")),
        Receiver("host2:8080", second, calls(remove="http://host2:8080/removenode")),
    ) == found.receivers


def test_a_host_with_and_without_a_port_are_two_receivers():
    found = read(
        DF_NOTIFY_CREATE_SERVICE_URL="http://host1:8080/recofigure1",
        DF_NOTIFY_REMOVE_SERVICE_URL="http://host1:8080/removeservice",
        DF_NOTIFY_CREATE_NODE_URL="http://host2:8080/reconfigurenode",
        DF_NOTIFY_REMOVE_NODE_URL="http://host2/removenode1,http://host2:8080/removenode2",
    )
    assert (
        Receiver("host1:8080", service=calls("http://host1:8080/recofigure1", "http://host1:8080/removeservice")),
        Receiver("host2:8080", node=calls("http://host2:8080/reconfigurenode", "http://host2:8080/removenode2")),
        Receiver("host2", node=calls(remove="http://host2/removenode1")),
    ) == found.receivers


def test_a_receiver_of_services_only_is_told_nothing_of_nodes():
    (receiver,) = read(DF_NOTIFY_CREATE_SERVICE_URL="http://host1:8080/a").receivers
    assert (calls("http://host1:8080/a"), None) == (receiver.calls("service"), receiver.calls("node"))


def test_a_receiver_of_nodes_only_is_told_nothing_of_services():
    (receiver,) = read(DF_NOTIFY_CREATE_NODE_URL="http://host1:8080/a").receivers
    assert (None, calls("http://host1:8080/a")) == (receiver.calls("service"), receiver.calls("node"))


@pytest.mark.parametrize("verb", ["create", "remove"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_all_spellings_say_the_same(spelling, verb):
    found = read(**{spelling.format(verb.upper()): "http://host1,http://host2"})
    told = {receiver.name: getattr(receiver.service, verb) for receiver in found.receivers}
    assert {"host1": Call("http://host1"), "host2": Call("http://host2")} == told


def test_the_oldest_spelling_comes_before_the_new_one():
    found = read(DF_NOTIF_CREATE_SERVICE_URL="http://old", DF_NOTIFY_CREATE_SERVICE_URL="http://new")
    assert ["old"] == [receiver.name for receiver in found.receivers]


def test_the_url_for_both_is_for_what_has_none_of_its_own():
    found = read(DF_NOTIFICATION_URL="http://both/all", DF_NOTIFY_CREATE_SERVICE_URL="http://both/create")
    assert (Receiver("both", calls("http://both/create", "http://both/all")),) == found.receivers


@pytest.mark.parametrize(("methods", "expected"), [("GET,post", ["GET", "POST"]), ("post", ["POST", "POST"])])
def test_the_last_method_is_for_all_further_urls(methods, expected):
    found = read(
        DF_NOTIFY_CREATE_SERVICE_URL="http://one,http://two", DF_NOTIFY_CREATE_SERVICE_METHOD=methods,
    )  # fmt: skip
    told = [receiver.service.create for receiver in found.receivers if receiver.service]
    assert expected == [call.method for call in told if call]


def test_a_method_goes_with_its_place_in_the_list_whatever_cannot_be_told():
    found = read(
        DF_NOTIFY_CREATE_SERVICE_URL="nowhere,http://two,http://three", DF_NOTIFY_CREATE_SERVICE_METHOD="GET,POST,PUT"
    )
    told = [receiver.service.create for receiver in found.receivers if receiver.service]
    assert ["POST", "PUT"] == [call.method for call in told if call]


def test_urls_of_a_secret_come_after_those_of_the_variable():
    found = read(
        {"df_notify_create_service_url": "http://two/create,http://three/create"},
        DF_NOTIFY_CREATE_SERVICE_URL="http://one/create",
    )
    assert ["one", "two", "three"] == [receiver.name for receiver in found.receivers]


def test_a_secret_alone_makes_a_receiver():
    found = DockerFlowSettings.of(Settings(), {}, {"df_notify_remove_node_url": "http://one/gone"})
    assert found is not None
    assert (Receiver("one", node=calls(remove="http://one/gone")),) == found.receivers


def test_secrets_are_read_without_the_white_space_around_them(tmp_path):
    (tmp_path / "df_notify_create_node_url").write_text(" http://one/a\n")
    assert {"df_notify_create_node_url": "http://one/a"} == read_secrets(tmp_path)


def test_a_secret_that_is_no_text_is_said(tmp_path):
    (tmp_path / "df_notify_create_node_url").write_bytes(b"\xff")
    with pytest.raises(Failed, match="cannot be read"):
        read_secrets(tmp_path)


def test_two_urls_of_one_host_are_two_receivers():
    found = read(DF_NOTIFY_CREATE_SERVICE_URL="http://one/a,http://one/b", DF_NOTIFY_REMOVE_SERVICE_URL="http://one/c")
    assert (
        Receiver("one", calls("http://one/a", "http://one/c")),
        Receiver("one#2", calls("http://one/b")),
    ) == found.receivers


def test_a_url_that_is_there_twice_is_one():
    found = read(DF_NOTIFY_CREATE_SERVICE_URL="http://one/a,http://one/a")
    assert (Receiver("one", calls("http://one/a")),) == found.receivers


@pytest.mark.parametrize("url", ["%%%", "one:8080/a", "ftp://one/a", "http:///a", "http://one/%zz", "http://one:x/a"])
def test_a_url_that_cannot_be_told_is_said(url):
    found = read(DF_NOTIFY_CREATE_SERVICE_URL=f"http://two/a,{url}")
    assert (["two"], 1) == ([receiver.name for receiver in found.receivers], len(found.rejected))


def test_a_password_in_a_url_is_not_said():
    (said,) = read(DF_NOTIFY_CREATE_SERVICE_URL="ftp://user:secret@one/a").rejected
    assert "secret" not in said


def test_a_name_and_password_are_no_part_of_the_receivers_name():
    (receiver,) = read(DF_NOTIFY_CREATE_SERVICE_URL="http://user:secret@one:80/a").receivers
    assert "one:80" == receiver.name


def test_without_a_url_nobody_wants_it():
    assert DockerFlowSettings.of(Settings(), {"DF_NOTIFY_LABEL": "com.df.notify"}, {}) is None


def test_the_setting_wants_it_without_a_url():
    found = DockerFlowSettings.of(Settings(docker_flow=True), {}, {})
    assert found is not None
    assert () == found.receivers


def test_the_defaults_are_those_of_the_image():
    found = read()
    assert ("com.df.notify", 50, 5, False, True, False) == (
        found.label, found.retries, found.retry_interval_s, found.node_info, found.task_addresses, found.immediately,
    )  # fmt: skip


@pytest.mark.parametrize(("text", "retries"), [("7", 7), ("+7", 7), ("-7", 0), ("7.5", 0), ("many", 0), ("", 50)])
def test_a_number_that_is_none_is_0(text, retries):
    assert retries == read(DF_RETRY=text).retries


@pytest.mark.parametrize(
    ("text", "truth"), [("true", True), ("1", True), ("T", True), ("yes", False), ("0", False), ("", False)]
)
def test_what_is_neither_true_nor_false_is_the_default(text, truth):
    assert truth == read(DF_INCLUDE_NODE_IP_INFO=text).node_info


@pytest.mark.parametrize(("text", "truth"), [("no", True), ("false", False), ("F", False), ("0", False)])
def test_of_addresses_the_default_is_true(text, truth):
    assert truth == read(DF_NODE_IP_INFO_INCLUDES_TASK_ADDRESS=text).task_addresses


@pytest.mark.parametrize(
    ("other", "same"), [({}, True), ({"DF_RETRY": "7"}, True), ({"DF_NOTIFY_LABEL": "com.df.notifyDev"}, False)]
)
def test_copies_that_tell_the_same_are_a_group(other, same):
    url = {"DF_NOTIFICATION_URL": "http://one/a"}
    assert same == (read(**url).group == read(**url | other).group)


def test_an_empty_label_lets_nobody_opt_in():
    assert "" == read(DF_NOTIFY_LABEL="").label


@pytest.mark.parametrize(("name", "addresses"), [("one:80", {"one", "one:80"}), ("one#2", {"one"}), ("One", {"one"})])
def test_a_receiver_is_chosen_by_its_host_with_or_without_the_port(name, addresses):
    assert addresses == Receiver(name).addresses
