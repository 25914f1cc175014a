"""One notification over HTTP: docker-flow-swarm-listener's notifier_test.go, with receivers on the loopback."""

import threading

import pytest

from services.notifier.docker_flow.sender import Sender
from services.notifier.docker_flow.settings import Call, DockerFlowSettings
from tests.receiver import OK, Reply, receiver


@pytest.fixture
def there():
    with receiver() as made:
        yield made


@pytest.fixture
async def sender():
    made = Sender(DockerFlowSettings(timeout_s=120, connect_timeout_s=120))
    yield made
    await made.close()


@pytest.mark.parametrize(("verb", "method"), [("create", "GET"), ("create", "POST"), ("remove", "DELETE")])
async def test_the_method_is_the_configured_one(sender, there, verb, method):
    assert await sender.send(verb, Call(f"{there.url}/a", method), "hello=world") is None
    assert [(method, "/a?hello=world")] == [(asked.method, asked.target) for asked in there.asked]


async def test_the_urls_own_query_comes_first(sender, there):
    await sender.send("create", Call(f"{there.url}/a?hello=world"), "serviceName=hello")
    assert "/a?hello=world&serviceName=hello" == there.asked[0].target


async def test_the_query_arrives_to_the_byte(sender, there):
    query = "a=%5B%5B%22n%22%2C%221%22%5D%5D&b=x+y&c=%2Fa~b%27-_."
    await sender.send("create", Call(f"{there.url}/%2Fa"), query)
    assert f"/%2Fa?{query}" == there.asked[0].target


async def test_a_query_may_be_long(sender, there):
    query = "nodeInfo=" + "x" * 500_000
    assert await sender.send("create", Call(f"{there.url}/%2Fa"), query) is None
    assert f"/%2Fa?{query}" == there.asked[0].target


async def test_a_post_has_an_empty_body(sender, there):
    await sender.send("create", Call(f"{there.url}/a", "POST"), "")
    assert "0" == there.asked[0].headers["content-length"]


@pytest.mark.parametrize(
    ("verb", "status", "delivered"),
    [("create", 200, True), ("create", 409, True), ("create", 201, False), ("create", 404, False),
     ("create", 500, False), ("remove", 200, True), ("remove", 409, False), ("remove", 204, False)],
)  # fmt: skip
async def test_which_answers_count_as_delivered(sender, there, verb, status, delivered):
    there.answer = lambda _: Reply(status)
    assert delivered == (await sender.send(verb, Call(f"{there.url}/a"), "") is None)


async def test_the_reason_has_what_the_receiver_said(sender, there):
    there.answer = lambda _: Reply(500, b"no such backend")
    assert "status 500: no such backend" == await sender.send("create", Call(f"{there.url}/a"), "")


async def test_a_long_answer_is_not_read_to_its_end(sender, there):
    there.answer = lambda _: Reply(500, b"x" * 1_000_000)
    assert 600 > len(await sender.send("create", Call(f"{there.url}/a"), ""))


async def test_a_redirect_is_followed(sender, there):
    there.answer = lambda asked: OK if asked.path == "/new" else Reply(302, headers={"Location": "/new?a=b"})
    assert await sender.send("create", Call(f"{there.url}/old"), "") is None
    assert ["/old", "/new?a=b"] == [asked.target for asked in there.asked]


async def test_redirects_without_an_end_are_a_failure(sender, there):
    there.answer = lambda _: Reply(302, headers={"Location": "/a"})
    assert "TooManyRedirects" in await sender.send("create", Call(f"{there.url}/a"), "")


async def test_where_nobody_listens_it_is_not_delivered(sender):
    with receiver() as gone:
        url = gone.url
    assert "ConnectError" in await sender.send("create", Call(f"{url}/a"), "")


async def test_who_does_not_answer_is_given_up_in_time(there, hanging):
    sender = Sender(DockerFlowSettings(timeout_s=0.1))
    there.answer = hanging
    assert "no answer within 0.1 s" == await sender.send("create", Call(f"{there.url}/a"), "")
    await sender.close()


@pytest.fixture
def hanging():
    """An answer that does not come before the test's end."""
    released = threading.Event()

    def answer(_):
        released.wait(120)
        return OK

    yield answer
    released.set()
