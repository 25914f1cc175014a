"""How Prometheus is asked: the server of the settings and no other, a bounded answer, in time."""

import pytest

from funswarm.errors import FunswarmError, Unavailable
from services.scheduler.policies.autoscale import readers
from services.scheduler.policies.autoscale.readers import ANSWER_BYTES_MAX, Query, Readers
from tests.prometheus import a_number, an_answer, prometheus


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """A busy machine answers late."""
    monkeypatch.setattr(readers, "READ_S", 60.0)


@pytest.fixture
async def asked():
    async with prometheus() as there:
        yield there


async def read(url: str, query: str = "sum(up)") -> float:
    made = Readers(None, url)  # type: ignore[arg-type]  # no NATS in it
    try:
        return await made.read(Query(query))
    finally:
        await made.close()


async def test_a_number_is_read_and_prometheus_told_how_long_somebody_waits(asked):
    asked.answer = a_number(2.5)
    assert 2.5 == await read(f"{asked.url}/")
    assert [("POST /api/v1/query HTTP/1.1", b"query=sum%28up%29&timeout=60s")] == asked.asked


async def test_a_query_that_looks_like_an_address_is_a_query(asked):
    async with prometheus() as elsewhere:
        await read(asked.url, f"{elsewhere.url}/")
        assert (1, []) == (len(asked.asked), elsewhere.asked)


async def test_nobody_else_is_asked_where_the_answer_leads_elsewhere(asked):
    async with prometheus() as elsewhere:
        asked.answer = an_answer("307 Temporary Redirect", b"", f"Location: {elsewhere.url}/")
        with pytest.raises(FunswarmError, match="no answer of Prometheus"):
            await read(asked.url)
        assert [] == elsewhere.asked


async def test_an_answer_without_an_end_is_refused(asked):
    asked.answer = an_answer("200 OK", b" " * (ANSWER_BYTES_MAX + 1))
    with pytest.raises(FunswarmError, match="longer than"):
        await read(asked.url)


async def test_what_is_packed_is_not_unpacked(asked):
    asked.answer = an_answer("200 OK", b"\x1f\x8b", "Content-Encoding: gzip")
    with pytest.raises(FunswarmError, match="no answer of Prometheus"):
        await read(asked.url)


async def test_one_that_says_nothing_is_given_up(asked, monkeypatch):
    monkeypatch.setattr(readers, "READ_S", 0.1)
    asked.answer = b""
    with pytest.raises(Unavailable, match="ReadTimeout"):
        await read(asked.url)
