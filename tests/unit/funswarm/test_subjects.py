"""Names as parts of NATS subjects."""

import pytest

from funswarm.subjects import TOKEN_MAX, token, untoken


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("9mnpnzenvg8p8tdbtq4wvbkcz", "9mnpnzenvg8p8tdbtq4wvbkcz"),
        ("my_web-1", "my_web-1"),
        ("a.example", "a%2Eexample"),
        ("a b*>%", "a%20b%2A%3E%25"),
        ("grün", "gr%C3%BCn"),
        ("²", "%C2%B2"),
        ("", "%00"),
    ],
)
def test_a_name_is_one_token_and_comes_back(name, expected):
    assert expected == token(name)
    assert name == untoken(expected)


@pytest.mark.parametrize("letter", ["x", "."])
def test_a_name_too_long_for_a_subject_is_cut_and_still_told_apart(letter):
    one, other = token(letter * 9000), token(letter * 9001)

    assert (TOKEN_MAX, TOKEN_MAX) == (len(one), len(other))
    assert one != other
