"""Two services that claim the same name or rule: the older one keeps it."""

import pytest

from tests.unit.api.traefik.worlds import a_service, a_task, a_world, content, problems, reasons, servers

OLD, NEW = "2026-11-01T08:00:00Z", "2026-11-02T08:00:00Z"


def two(old, new):
    return a_world(a_service("old", labels=old, created_at=OLD), a_service("new", labels=new, created_at=NEW))


def labelled(name, rule, port="80", **more):
    return {
        f"traefik.http.routers.{name}.rule": rule, f"traefik.http.services.{name}.loadbalancer.server.port": port,
        **{f"traefik.http.{key}": value for key, value in more.items()},
    }  # fmt: skip


def test_of_two_services_that_claim_a_name_the_older_keeps_it():
    world = two(labelled("web", "Host(`a`)"), labelled("web", "Host(`b`)", "81"))

    assert {"Host(`a`)"} == {router["rule"] for router in content(world)["http"]["routers"].values()}
    assert {("new", "traefik.http.routers.web"), ("new", "traefik.http.services.web")} == {*problems(world)}


def test_of_two_services_that_claim_a_rule_the_older_keeps_it():
    world = two(labelled("one", "Host(`a`)"), labelled("two", "Host(`a`)"))

    assert ["one"] == [*content(world)["http"]["routers"]]
    assert [("new", "traefik.http.routers.two.rule")] == problems(world)
    assert "the router 'one' of old, which is older" in reasons(world)


@pytest.mark.parametrize("more", [{"priority": "7"}, {"entrypoints": "other"}, {"tls": "true"}])
def test_a_rule_with_another_priority_entrypoint_or_tls_is_another_one(more):
    (key, value), = more.items()  # fmt: skip
    new = labelled("two", "Host(`a`)") | {f"traefik.http.routers.two.{key}": value}

    assert [] == problems(two(labelled("one", "Host(`a`)"), new))


def test_a_younger_router_never_leads_to_an_older_service_of_its_service_s_name():
    old = labelled("web", "Host(`a`)")
    new = {"traefik.http.routers.mine.rule": "Host(`b`)", "traefik.http.services.web.loadbalancer.server.port": "81"}

    assert ["web"] == [*content(two(old, new))["http"]["routers"]]


def test_two_services_that_say_the_same_of_a_service_do_not_mix_their_tasks():
    world = two(labelled("web", "Host(`a`)"), labelled("web", "Host(`a`)"))
    world = a_world(*world.services.values(), tasks=[a_task("old", 1), a_task("new", 2)])

    assert ["http://10.0.1.1:80"] == servers(world)
    assert {("new", "traefik.http.routers.web"), ("new", "traefik.http.services.web")} == {*problems(world)}


def test_two_services_that_say_the_same_of_a_middleware_share_it():
    same = {"http.middlewares.m.compress": "true"}
    same = {f"traefik.{key}": value for key, value in same.items()}

    assert [] == problems(two(labelled("one", "Host(`a`)") | same, labelled("two", "Host(`b`)") | same))


def test_two_services_that_differ_over_a_middleware_never_use_the_other_s():
    def guarded(name, users):
        return labelled(name, f"Host(`{name}`)") | {
            f"traefik.http.routers.{name}.middlewares": "auth",
            "traefik.http.middlewares.auth.basicauth.users": users,
        }

    world = two(guarded("one", "a:x"), guarded("two", "b:y"))

    assert ["one"] == [*content(world)["http"]["routers"]]
    assert [("new", "traefik.http.middlewares.auth")] == problems(world)
