"""Labels as Traefik's parser reads them."""

import pytest

from services.api.traefik.labels import read_labels

P = "traefik.http."
LB = "services.s.loadbalancer."


def read(labels, family="http", section="routers"):
    found = read_labels(labels)
    assert () == found.faults
    return dict(found.items.get((family, section), {}))


def read_one(label, value, section="middlewares"):
    (made,) = read({label: value}, section=section).values()
    return made


@pytest.mark.parametrize(
    ("label", "value", "made"),
    [
        ("middlewares.m.addprefix.prefix", "/foo", {"addPrefix": {"prefix": "/foo"}}),
        ("middlewares.m.basicauth.users", "a:$apr1$x, b:y", {"basicAuth": {"users": ["a:$apr1$x", "b:y"]}}),
        ("middlewares.m.buffering.maxrequestbodybytes", "42", {"buffering": {"maxRequestBodyBytes": 42}}),
        ("middlewares.m.chain.middlewares", "a, b@file", {"chain": {"middlewares": ["a", "b@file"]}}),
        ("middlewares.m.circuitbreaker.checkperiod", "100ms", {"circuitBreaker": {"checkPeriod": "100ms"}}),
        ("middlewares.m.compress", "true", {"compress": {}}),
        ("middlewares.m.compress.encodings", "br,gzip", {"compress": {"encodings": ["br", "gzip"]}}),
        ("middlewares.m.errors.status", "404,500-599", {"errors": {"status": ["404", "500-599"]}}),
        ("middlewares.m.errors.statusrewrites.500-503", "418", {"errors": {"statusRewrites": {"500-503": 418}}}),
        ("middlewares.m.forwardauth.tls.ca", "/ca.pem", {"forwardAuth": {"tls": {"ca": "/ca.pem"}}}),
        (
            "middlewares.m.headers.customrequestheaders.X-Foo",
            "a, b",
            {"headers": {"customRequestHeaders": {"X-Foo": "a, b"}}},
        ),
        ("middlewares.m.headers.stsseconds", "42", {"headers": {"stsSeconds": 42}}),
        ("middlewares.m.ipallowlist.sourcerange", "10.0.0.0/8", {"ipAllowList": {"sourceRange": ["10.0.0.0/8"]}}),
        ("middlewares.m.ipallowlist.ipstrategy", "true", {"ipAllowList": {"ipStrategy": {}}}),
        (
            "middlewares.m.passtlsclientcert.info.subject.commonname",
            "true",
            {"passTLSClientCert": {"info": {"subject": {"commonName": True}}}},
        ),
        ("middlewares.m.plugin.mine.list[1].name", "x", {"plugin": {"mine": {"list": [{"name": "x"}]}}}),
        ("middlewares.m.ratelimit.period", "60", {"rateLimit": {"period": "60s"}}),
        ("middlewares.m.redirectscheme.permanent", "TRUE", {"redirectScheme": {"permanent": True}}),
        ("middlewares.m.retry.initialinterval", "1m30s", {"retry": {"initialInterval": "1m30s"}}),
        ("middlewares.m.stripprefix.prefixes", "/a,/b", {"stripPrefix": {"prefixes": ["/a", "/b"]}}),
        ("routers.r.rule", "Host(`a`) && Path(`/b.c`)", {"rule": "Host(`a`) && Path(`/b.c`)"}),
        ("routers.r.entrypoints", "web, websecure", {"entryPoints": ["web", "websecure"]}),
        ("routers.r.priority", "-1", {"priority": -1}),
        ("routers.r.tls", "true", {"tls": {}}),
        ("routers.r.tls", "false", {}),
        ("routers.r.tls.certresolver", "le", {"tls": {"certResolver": "le"}}),
        ("routers.r.tls.domains[0].main", "a.example", {"tls": {"domains": [{"main": "a.example"}]}}),
        ("routers.r.observability.accesslogs", "false", {"observability": {"accessLogs": False}}),
        (LB + "server.port", "80", {"loadBalancer": {"server": {"port": "80"}}}),
        (LB + "sticky.cookie", "true", {"loadBalancer": {"sticky": {"cookie": {}}}}),
        (LB + "sticky", "true", {"loadBalancer": {"sticky": {}}}),
        (LB + "healthcheck.headers.H", "a", {"loadBalancer": {"healthCheck": {"headers": {"H": "a"}}}}),
        (LB + "healthcheck.interval", "5", {"loadBalancer": {"healthCheck": {"interval": "5s"}}}),
        (LB + "passhostheader", "f", {"loadBalancer": {"passHostHeader": False}}),
        (
            LB + "responseforwarding.flushinterval",
            "10ms",
            {"loadBalancer": {"responseForwarding": {"flushInterval": "10ms"}}},
        ),
    ],
)  # fmt: skip
def test_a_label_has_traefik_s_place_and_type(label, value, made):
    section = label.partition(".")[0]

    assert made == read_one(P + label, value, section)


@pytest.mark.parametrize(
    ("label", "value", "section", "made"),
    [
        ("tcp.routers.r.tls.passthrough", "true", "routers", {"tls": {"passthrough": True}}),
        ("tcp.services.s.loadbalancer.terminationdelay", "1", "services", {"loadBalancer": {"terminationDelay": 1}}),
        ("tcp.middlewares.m.inflightconn.amount", "3", "middlewares", {"inFlightConn": {"amount": 3}}),
        ("udp.routers.r.entrypoints", "dns", "routers", {"entryPoints": ["dns"]}),
        ("udp.services.s.loadbalancer.server.port", "53", "services", {"loadBalancer": {"server": {"port": "53"}}}),
    ],
)  # fmt: skip
def test_tcp_and_udp_have_their_own(label, value, section, made):
    assert [made] == list(read({f"traefik.{label}": value}, label[:3], section).values())


def test_keys_are_compared_without_case_and_names_keep_theirs():
    labels = {"Traefik.HTTP.Routers.Web.Rule": "Host(`a`)", "traefik.http.routers.web.PRIORITY": "2"}

    assert {"Web": {"rule": "Host(`a`)", "priority": 2}} == read(labels)


def test_a_list_is_in_the_order_of_its_numbers():
    labels = {f"{P}routers.r.tls.domains[{number}].main": f"d{number}" for number in (10, 2, 0)}

    assert ["d0", "d2", "d10"] == [one["main"] for one in read(labels)["r"]["tls"]["domains"]]


def test_tls_that_is_false_switches_off_all_of_it():
    assert {"r": {}} == read({P + "routers.r.tls": "false", P + "routers.r.tls.certresolver": "le"})


def test_an_empty_list_is_left_out():
    assert {"r": {"rule": "x"}} == read({P + "routers.r.entrypoints": "", P + "routers.r.rule": "x"})


def test_what_is_not_traefik_s_is_not_read():
    assert (
        () == read_labels({"traefik.enable": "maybe", "traefik.frontend.rule": "x", "com.example.http.x": "y"}).faults
    )


@pytest.mark.parametrize(
    ("label", "value", "reason"),
    [
        ("routers.r.rul", "x", "Traefik does not know 'rul' here, did you mean rule?"),
        ("routes.r.rule", "x", "Traefik does not know 'routes' here, did you mean routers?"),
        ("routers.r.priority", "high", "this is no integer"),
        ("routers.r.priority", "1_000", "this is no integer"),
        ("routers.r.rule.x", "y", "rule is a text, nothing is behind it"),
        ("routers.r", "x", "this needs an option behind the name"),
        ("routers", "x", "this needs a name and an option behind it"),
        ("routers.a@b.rule", "x", "a name has no @"),
        ("routers..rule", "x", "a name is missing"),
        ("routers.r.", "x", "a word is missing"),
        ("routers.r.tls.domains.main", "x", "domains is a list: write domains[0]"),
        ("routers.r.observability", "true", "this needs an option behind it"),
        ("middlewares.m.chain.middlewares", "", "nothing is said of chain"),
        ("middlewares.m.headers.framedeny", "yes", "this is neither true nor false"),
        ("middlewares.m.ratelimit.period", "1 s", "this is no duration"),
        ("middlewares.m.ratelimit.period", "9999999999", "this is no duration"),
        ("middlewares.m.ratelimit.period", "2562047h60m", "this is no duration"),
        ("middlewares.m.headers.customrequestheaders", "x", "this needs a name behind it"),
        ("middlewares.m.headers.customrequestheaders.", "x", "a name is missing behind the last dot"),
        ("middlewares.m.inflightreq.sourcecriterion.ipstrategy", "true", "this needs an option behind it"),
        ("middlewares.m.plugin.mine", "x", "this needs a plugin's name and an option behind it"),
        ("services.s.weighted.services", "x", "Traefik does not know 'weighted' here"),
    ],
)
def test_a_bad_label_is_told_with_the_reason(label, value, reason):
    (fault,) = read_labels({P + label: value}).faults

    assert (P + label, value) == (fault.label, fault.value)
    assert reason in fault.reason


def test_a_bad_label_leaves_out_its_own_item_only():
    found = read_labels({P + "routers.a.rul": "x", P + "routers.a.rule": "x", P + "routers.b.rule": "y"})

    assert {"b": {"rule": "y"}} == found.items["http", "routers"]
    assert {("http", "routers", "a")} == found.bad
