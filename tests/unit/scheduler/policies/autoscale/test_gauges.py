"""What is measured and kept for services: questions, pushes, steps, what tasks use."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from funswarm.errors import FunswarmError, InvalidRequest, PermanentError, Unavailable, UnknownObject
from services.scheduler.policies.autoscale.gauges import STEPS_MAX, NatsGauges
from services.scheduler.policies.autoscale.readers import Lag, Query, Readers, number_of, questions_of
from services.scheduler.policies.autoscale.settings import Settings

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
LAG = Settings(lag=10, stream="ORDERS", consumer="work")
ORDERS = Lag("ORDERS", "work")


class Reads:
    """Answers with what it is given, once each."""

    def __init__(self, *answers: float | Exception) -> None:
        self._answers = list(answers)

    async def read(self, question):
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def read_together(self, questions):
        answer = await self.read(questions[0])
        return {question: answer for question in questions if question.consumer != "lost"}

    async def close(self) -> None:
        pass


def gauges(*answers: float | Exception, **wanted: Settings) -> NatsGauges:
    made = NatsGauges(None, Reads(*answers), lambda: NOON)  # type: ignore[arg-type]  # no NATS in it
    for name, settings in wanted.items():
        made.wants(name, settings)
    return made


def test_what_is_asked_for_is_what_is_read():
    settings = Settings(lag=1, stream="S", consumer="c", query="up", query_target=1, push=1)
    assert (Lag("S", "c"), Query("up")) == questions_of(settings)


async def test_services_with_the_same_question_share_the_answer():
    made = gauges(7, web=LAG, api=LAG)
    touched: list[set[str]] = []
    await made.ask(ORDERS, touched.append)
    assert [{"web", "api"}] == touched
    assert [7, 7] == [made.of(name).samples["lag"].value for name in ("web", "api")]


async def test_an_answer_that_did_not_change_stirs_nobody():
    made = gauges(7, 7, 8, web=LAG)
    touched: list[set[str]] = []
    for _ in range(3):
        await made.ask(ORDERS, touched.append)
    assert 2 == len(touched)


@pytest.mark.parametrize(
    ("error", "said"),
    [(PermanentError("no such consumer"), "no such consumer"), (KeyError("x"), "a fault in Funswarm")],
)
async def test_why_it_cannot_be_read_is_the_answer(error, said):
    made = gauges(error, web=LAG)
    await made.ask(ORDERS, lambda _: None)
    assert said in (made.of("web").samples["lag"].failed or "")


def settings_of(name: str) -> Settings:
    return LAG.model_copy(update={"consumer": name})


async def test_lags_that_are_read_together_are_answers_as_others_are():
    made = gauges(7, web=LAG, api=settings_of("lost"))
    touched: list[set[str]] = []
    await made.ask_together([ORDERS, Lag("ORDERS", "lost")], touched.append)
    assert ([{"web"}], 7) == (touched, made.of("web").samples["lag"].value)
    assert {} == made.of("api").samples


async def test_lags_that_cannot_be_read_together_have_no_answer_yet():
    made = gauges(Unavailable("not now"), KeyError("x"), web=LAG)
    for _ in range(2):
        await made.ask_together([ORDERS], lambda _: None)
    assert {} == made.of("web").samples


async def test_labels_that_change_keep_the_answers_to_what_is_asked_still():
    made = gauges(7, web=LAG)
    await made.ask(ORDERS, lambda _: None)
    made.wants("web", LAG.model_copy(update={"max": 9}))
    assert 7 == made.of("web").samples["lag"].value
    made.wants("web", Settings(push=1))
    assert {} == made.of("web").samples


async def test_a_first_answer_is_waited_for():
    made = gauges(7, web=LAG)
    assert made.of("web").pending
    await made.ask(ORDERS, lambda _: None)
    assert not made.of("web").pending


def test_a_number_that_is_pushed_is_kept():
    made = gauges(web=Settings(push=5))
    made.pushed("web", b" 12.5")
    assert 12.5 == made.of("web").samples["push"].value


def test_the_same_number_again_is_no_news_while_it_is_fresh():
    now = NOON
    made = NatsGauges(None, Reads(), lambda: now)  # type: ignore[arg-type]  # no NATS in it
    made.wants("web", Settings(push=5, push_age=60))
    assert [True, False, True] == [made.pushed("web", body) for body in (b"7", b"7", b"8")]
    now = NOON + timedelta(seconds=61)
    assert made.pushed("web", b"8")


def test_steps_are_kept_in_their_order_and_not_for_ever():
    made = gauges(web=Settings(step_up=1))
    for _ in range(50):
        made.pushed("web", b'{"step": "up"}')
    times = [step.at for step in made.of("web").steps]
    assert (STEPS_MAX, sorted(set(times))) == (len(times), times)


@pytest.mark.parametrize("body", [b"many", b"nan", b"-1", b"inf", b"{}", b'{"value": 1, "step": "up"}', b"1" * 5000])
def test_what_is_no_number_is_refused(body):
    with pytest.raises(InvalidRequest):
        gauges(web=Settings(push=5)).pushed("web", body)


def test_a_push_that_nobody_is_scaled_by_is_refused():
    with pytest.raises(UnknownObject, match="no autoscaled service"):
        gauges().pushed("web", b"1")
    with pytest.raises(InvalidRequest, match=r"no label funswarm\.autoscale\.push"):
        gauges(web=LAG).pushed("web", b"1")


def test_a_push_for_what_is_not_known_yet_is_not_refused_for_good():
    made = NatsGauges(None, Reads(), may_follow=lambda name: name == "web")  # type: ignore[arg-type]  # no NATS in it
    with pytest.raises(Unavailable, match="does not know yet how web is autoscaled"):
        made.pushed("web", b"1")


def test_what_tasks_use_is_kept_by_task():
    made = gauges()
    made.used(b'{"tasks": {"t1": {"processors": 0.5, "memory_bytes": 1000}}}')
    used = made.of("web").used["t1"]
    assert (0.5, 1000) == (used.processors, used.memory_bytes)


# Prometheus.
def answer(kind: str, result: object) -> bytes:
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}}).encode()


@pytest.mark.parametrize(
    ("body", "expected"),
    [(answer("scalar", [0, "3"]), 3), (answer("vector", [{"metric": {}, "value": [0, "1.5"]}]), 1.5)],
)
def test_a_query_gives_one_number(body, expected):
    assert expected == number_of(body)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (answer("vector", []), "0 series"),
        (answer("vector", [{"value": [0, "1"]}] * 2), "2 series"),
        (answer("matrix", []), "a matrix"),
        (answer("scalar", [0, "NaN"]), "nan"),
        (answer("scalar", [0, "-1"]), "from 0 on"),
        (b'{"status": "error", "error": "parse error"}', "parse error"),
        (b"<html>", "no answer of Prometheus"),
        (b"[]", "no answer of Prometheus"),
    ],
)
def test_what_is_no_number_is_said(body, why):
    with pytest.raises(FunswarmError, match=why):
        number_of(body)


async def test_without_prometheus_a_query_says_what_to_set():
    with pytest.raises(FunswarmError, match="FUNSWARM_PROMETHEUS_URL"):
        await Readers(None, None).read(Query("up"))  # type: ignore[arg-type]  # no NATS in it
