"""What the Client makes of its arguments, without a connection."""

import pytest

import funswarm
from funswarm.client import Client
from funswarm.commands import Expect
from funswarm.errors import InvalidRequest
from funswarm.how import How
from funswarm.spec import ServicePatch, ServiceSpec


class Submitting(Client):
    def __init__(self):
        super().__init__(name="me")
        self.submitted = []

    async def _submit(self, command, how, *, new_id=False):
        self.submitted.append(command)


@pytest.fixture
def client():
    return Submitting()


async def test_every_verb_becomes_its_command(client):
    await client.create(ServiceSpec(name="web", image="nginx"))
    await client.update("web", ServicePatch(image="nginx:2"))
    await client.scale("web", 3)
    await client.restart("web")
    await client.rollback("web")
    await client.remove("web")

    verbs = ["create", "update", "scale", "restart", "rollback", "remove"]
    assert [(verb, "web", "me") for verb in verbs] == [
        (one.verb, one.target, one.requested_by) for one in client.submitted
    ]


async def test_how_it_is_to_be_done_goes_along(client):
    await client.scale("web", 3, force=True, how=How(id="abc", dry_run=True, expect=Expect(version=7)))

    (command,) = client.submitted
    assert ("abc", True, True, 7) == (command.id, command.force, command.dry_run, command.expect.version)


async def test_ids_are_new_where_none_is_given(client):
    await client.restart("web")
    await client.restart("web")

    assert client.submitted[0].id != client.submitted[1].id


@pytest.mark.parametrize(("arguments", "where"), [((1, How(id="no good")), "id"), ((-1, How()), "replicas")])
async def test_what_cannot_be_meant_is_refused_before_it_is_sent(client, arguments, where):
    with pytest.raises(InvalidRequest, match=where):
        replicas, how = arguments
        await client.scale("web", replicas, how=how)


def test_a_prefix_that_cannot_be_one_is_refused():
    with pytest.raises(InvalidRequest, match="prefix"):
        Client(prefix="no good")


async def test_without_nats_health_is_bad_and_says_why():
    client = Client("nats://user:secret@127.0.0.1:1")

    health = await client.health()

    assert not health.ok
    assert "nats://127.0.0.1:1 is not reached" in health.reasons[0]


def test_a_password_is_not_shown():
    assert "secret" not in repr(Client(password="secret")._link._access)


def test_the_public_names_are_sorted_and_there():
    assert sorted(funswarm.__all__) == funswarm.__all__
    assert all(hasattr(funswarm, name) for name in funswarm.__all__)
