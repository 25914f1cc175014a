"""Where NATS is, and who we are there."""

import pytest

from funswarm.access import Access


@pytest.mark.parametrize("server", ["nats://me:a/b@c@one:4222", "me:a@one:4222", "tls://one:4222"])
def test_the_place_has_no_password(server):
    scheme = server.partition("//")[0] + "//" if "//" in server else ""
    assert f"{scheme}one:4222, two" == Access((server, "two")).place


@pytest.mark.parametrize(("user", "prefix"), [("me", "_INBOX.me"), ("a.b", "_INBOX"), (None, "_INBOX")])
def test_answers_come_below_the_user_where_its_name_allows_it(user, prefix):
    assert prefix == Access(user=user).inbox_prefix
