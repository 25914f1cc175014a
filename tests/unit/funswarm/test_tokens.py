"""The tokens of the HTTP api and the namespaces they are bound to."""

import pytest

from funswarm.errors import InvalidRequest
from funswarm.namespaces import STACK_LABEL, namespace_of
from funswarm.tokens import Role, find, new_token, read_tokens

TEXT, CI = new_token("ci", Role.OPERATE, ["shop"])
LINE = CI.model_dump_json()


def test_a_new_token_is_found_by_its_text():
    assert CI == find(read_tokens(LINE), TEXT)


def test_the_line_does_not_hold_the_token():
    assert TEXT not in LINE


def test_a_wrong_token_is_nobody_s():
    assert find((CI,), TEXT[:-1] + "?") is None


def test_what_is_no_text_is_nobody_s_token():
    assert find((CI,), "\udcff") is None


def test_two_new_tokens_differ():
    assert new_token("ci", Role.READ)[0] != new_token("ci", Role.READ)[0]


def test_a_token_s_hash_is_not_shown():
    assert CI.sha256 not in repr(CI)


def test_comments_and_empty_lines_are_no_tokens():
    assert (CI,) == read_tokens(f"# who may\n\n{LINE}\n")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "0 tokens"),
        ("token", "line 1: Invalid JSON"),
        (LINE.replace('"role"', '"rolle"'), "line 1: role: Field required; rolle: unknown field, did you mean role?"),
        (LINE.replace("operate", "root"), "line 1: role: Input should be 'read', 'operate' or 'admin'"),
        (LINE.replace(CI.sha256, TEXT), "line 1: sha256"),
        (f"\n{LINE}\n{LINE}", "line 3, token ci: its name or its hash is there twice"),
        (LINE.replace("operate", "admin"), "an admin acts on the whole Swarm"),
        (LINE.replace('"shop"', '"sh op"'), "line 1: namespaces.0"),
    ],
)
def test_a_wrong_line_is_named(text, reason):
    with pytest.raises(InvalidRequest) as caught:
        read_tokens(text)
    assert reason in str(caught.value)
    assert TEXT not in str(caught.value)


@pytest.mark.parametrize(
    ("role", "may"), [(Role.READ, [Role.READ]), (Role.OPERATE, [Role.READ, Role.OPERATE]), (Role.ADMIN, list(Role))]
)
def test_a_role_may_what_the_lower_ones_may(role, may):
    assert may == [needed for needed in Role if role.may(needed)]


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("shop_web", {}, "shop"),
        ("shop_web", None, "shop"),
        ("shop_web_1", {}, "shop"),
        ("web", {}, ""),
        ("shop_web", {STACK_LABEL: "shop"}, "shop"),
        ("shop_eu_web", {STACK_LABEL: "shop_eu"}, "shop_eu"),
        ("shop_web", {STACK_LABEL: "other"}, ""),
        ("web", {STACK_LABEL: "shop"}, ""),
    ],
)
def test_the_namespace_of_a_service(name, labels, expected):
    assert expected == namespace_of(name, labels)
