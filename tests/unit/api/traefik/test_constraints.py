"""Constraints, as Traefik reads them."""

import pytest

from funswarm.errors import InvalidRequest
from services.api.traefik.constraints import constraint
from tests.unit.api.traefik.worlds import PORT, a_service, a_world, content

LABELS = {"tier": "public", "name": "shop-1"}


@pytest.mark.parametrize(
    ("expression", "met"),
    [
        ("Label(`tier`, `public`)", True),
        ('Label("tier","private")', False),
        ("Label(`none`, ``)", False),
        ("LabelRegex(`name`, `^shop-`)", True),
        ("LabelRegex(`none`, `.*`)", False),
        ("!Label(`tier`, `public`)", False),
        ("Label(`tier`, `public`) && !LabelRegex(`name`, `2$`)", True),
        ("Label(`tier`, `x`) || Label(`name`, `shop-1`) && Label(`tier`, `y`)", False),
        ("(Label(`tier`, `x`) || Label(`name`, `shop-1`)) && !(Label(`tier`, `y`))", True),
    ],
)
def test_an_expression_decides_by_labels(expression, met):
    assert met is constraint(expression)(LABELS)


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("", "is needed"),
        ("Label(`a`)", "',' is missing"),
        ("Label(a, b)", "'a, b\\)' is not understood"),
        ("Tag(`a`)", "is not understood"),
        ("(Label(`a`, `b`)", "'\\)' is missing"),
        ("Label(`a`, `b`) Label(`a`, `b`)", "is one too much"),
        ("LabelRegex(`a`, `(`)", "is no regular expression"),
    ],
)
def test_what_is_none_is_refused_with_the_reason(expression, reason):
    with pytest.raises(InvalidRequest, match=reason):
        constraint(expression)


def test_a_service_that_does_not_meet_it_is_not_there():
    world = a_world(a_service(labels=PORT | LABELS))

    assert {} == content(world, constraint=constraint("Label(`tier`, `private`)"))
    assert "http" in content(world, constraint=constraint("Label(`tier`, `public`)"))
