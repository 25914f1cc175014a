"""Default rules, as Go's templates would make them."""

import pytest

from funswarm.errors import InvalidRequest
from services.api.traefik.rules import DEFAULT_RULE, Rule, normalize


@pytest.mark.parametrize(
    ("template", "rule"),
    [
        (DEFAULT_RULE, "Host(`shop-web`)"),
        ("Host(`{{ .Name }}.example.com`)", "Host(`shop-web.example.com`)"),
        ("Host(`{{.ContainerName}}`)", "Host(`shop_web`)"),
        ("Host(`{{ trimPrefix `shop_` .ContainerName }}`)", "Host(`web`)"),
        ('Host(`{{ .ContainerName | trimPrefix "shop_" | upper }}`)', "Host(`WEB`)"),
        ('Host(`{{ normalize (replace "_" "." .ContainerName) }}`)', "Host(`shop-web`)"),
        ('Host(`{{ index .Labels "host" }}`)', "Host(`a.example`)"),
        ('Host(`{{ index .Labels "none" | default .Name }}`)', "Host(`shop-web`)"),
        ("Host(`{{ or }}`)".replace("or", '"a\\"b"'), 'Host(`a"b`)'),
        ("Host( {{- .Name -}} )", "Host(shop-web)"),
        ("PathPrefix(`/`)", "PathPrefix(`/`)"),
    ],
)  # fmt: skip
def test_a_template_makes_a_rule(template, rule):
    assert rule == Rule.of(template).for_service("shop_web", {"host": "a.example"})


@pytest.mark.parametrize(("name", "normal"), [("a_b.c-d", "a-b-c-d"), ("__a__", "a"), ("été1", "été1")])
def test_a_name_is_normalized_as_traefik_does(name, normal):
    assert normal == normalize(name)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("Host(`{{ .Name `)", "a brace is not closed"),
        ("{{ .Nam }}", r"there is no '\.Nam'"),
        ("{{ normalise .Name }}", "did you mean normalize"),
        ("{{ normalize }}", "normalize takes 1 values, not 0"),
        ("{{ if .Name }}x{{ end }}", "there is no function 'if'"),
        ("{{ (lower .Name }}", "a parenthesis is not closed"),
        ("{{ }}", "a value is missing"),
        ("{{ .Name | .Labels }}", "a function is needed"),
        ("{{ .Name .Name }}", "is one too much"),
        ("{{ .Name ! }}", "'!' is not understood"),
    ],
)
def test_what_is_no_template_is_refused_with_the_reason(template, reason):
    with pytest.raises(InvalidRequest, match=reason):
        Rule.of(template)
