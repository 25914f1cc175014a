"""Rules that Traefik cannot read, by their form."""

import pytest

from services.api.traefik.syntax import why_no_rule


@pytest.mark.parametrize(
    "rule",
    [
        "Host(`a.test`)",
        "host(`a.test`, `b.test`,)",
        'Host("a\\"b") && PathPrefix(`/x`)',
        "!(Method(`POST`) || Header(`X`, `y`)) && ClientIP(`10.0.0.0/8`)",
        "  Host ( `a.test` )\n  && Path(`/`) ",
        "Path(`)(&&`)",
    ],
)
def test_what_traefik_reads_is_no_fault(rule):
    assert why_no_rule("http", rule) is None


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("Host(`a.test`", "')' is missing at its end"),
        ("Host(a.test)", "'.test)' is not understood"),
        ("Host(localhost)", "Host needs a text in backticks"),
        ("Host()", "Host needs a text"),
        ("Host(`a`) Path(`/`)", "'Path' is one too much"),
        ("Host(`a`) &&", "a matcher as Host(`…`) is missing at its end"),
        ("Hots(`a`)", "'Hots' is no matcher, did you mean Host?"),
        ("(Host(`a`)", "')' is missing"),
        ("Host(`a`))", "')' is one too much"),
        ("HostSNI(`*`)", "no matcher"),
        ("(" * 1000, "too many parentheses"),
    ],
)
def test_what_is_wrong_is_said(rule, why):
    assert why in (why_no_rule("http", rule) or "")


def test_tcp_has_matchers_of_its_own():
    assert why_no_rule("tcp", "HostSNI(`*`) && ALPN(`h2`)") is None
