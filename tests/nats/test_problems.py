"""What is wrong with labels: told once, by however many copies, taken back when it is solved, and read by all."""

import pytest

from funswarm.client import Client
from funswarm.lasts import SUBJECTS_MAX
from funswarm.messages import Problem
from funswarm.problems import read_problems
from services.bus.jetstream import last_sequence
from services.bus.problems import PER_SERVICE_MAX, ProblemTeller

SOURCE = "traefik"


def a_problem(service="web", reason="why", **others):
    return Problem(source=SOURCE, service=service, reason=reason, **others)


@pytest.fixture
async def known(bus, shared_nats, prefix):
    """A function: the problems that there are now."""
    async with Client(shared_nats.url, prefix=prefix) as client:

        async def read():
            return (await client.health()).problems

        yield read


@pytest.fixture
def count(bus):
    """A function: how often something was written."""
    return lambda: last_sequence(bus.link, bus.subjects.reports_stream)


async def test_a_problem_is_in_the_health(bus, known):
    await ProblemTeller(bus, SOURCE).tell("web", [a_problem()])

    assert (a_problem(),) == await known()


async def test_a_solved_problem_is_taken_back(bus, known):
    teller = ProblemTeller(bus, SOURCE)
    await teller.tell("web", [a_problem()])
    await teller.tell("web", [])

    assert () == await known()


async def test_problems_of_services_that_are_gone_are_taken_back(bus, known):
    await ProblemTeller(bus, SOURCE).tell("gone", [a_problem("gone")])
    await ProblemTeller(bus, SOURCE).tell_all({"web": [a_problem()]})

    assert (a_problem(),) == await known()


async def test_of_those_that_are_gone_only_they_are_taken_back(bus, known):
    teller = ProblemTeller(bus, SOURCE)
    for service in ("gone", "web"):
        await teller.tell(service, [a_problem(service)])
    await ProblemTeller(bus, SOURCE).tell_gone({"web", "other"})

    assert (a_problem("web"),) == await known()


async def test_other_sources_problems_stay(bus, known):
    other = Problem(source="autoscale", service="web", reason="why")
    await ProblemTeller(bus, "autoscale").tell("web", [other])
    await ProblemTeller(bus, SOURCE).tell_all({})

    assert (other,) == await known()


async def test_a_restart_repeats_nothing(bus, count):
    for _ in range(2):
        await ProblemTeller(bus, SOURCE).tell_all({"web": [a_problem()]})

    assert 1 == await count()


async def test_two_copies_that_find_the_same_write_it_once(bus, count):
    tellers = [ProblemTeller(bus, SOURCE) for _ in range(2)]
    for teller in tellers:
        await teller.tell_all({})
    for problems in ([a_problem()], [], [a_problem()]):
        for teller in tellers:
            await teller.tell("web", problems)

    assert 3 == await count()


async def test_what_is_told_stays_small(bus, known):
    await ProblemTeller(bus, SOURCE).tell("web", [a_problem(value="x" * 10_000, reason="y" * 10_000)] * 1000)
    told = await known()

    assert PER_SERVICE_MAX == len(told)
    assert max(len(problem.model_dump_json()) for problem in told) < 2000


async def test_a_name_of_any_kind_can_have_problems(bus, known):
    await ProblemTeller(bus, SOURCE).tell("a.b c", [a_problem("a.b c")])

    assert ["a.b c"] == [problem.service for problem in await known()]


async def test_more_services_than_nats_answers_for_at_once_can_have_them(bus, shared_nats, prefix):
    number = SUBJECTS_MAX + 30
    await ProblemTeller(bus, SOURCE).tell_all({f"s{i}": [a_problem(f"s{i}")] for i in range(number)})
    async with Client(shared_nats.url, prefix=prefix) as client:
        await client.connect()
        assert number == len(await read_problems(client._link, client._subjects, 10_000))
