"""A real Traefik takes every field that labels may name; one that it does not know would cost the whole document."""

import asyncio
from contextlib import asynccontextmanager

from services.api.traefik.fields import SECTIONS, Kind
from tests.traefik import traefik
from tests.unit.api.traefik.worlds import a_service, a_task, a_world, document
from tests.waiting import until

SAMPLES = {
    Kind.TEXT: {"": "x"},
    Kind.FLAG: {"": "true"},
    Kind.NUMBER: {"": "3"},
    Kind.DURATION: {"": "3s"},
    Kind.LIST: {"": "a, b"},
    Kind.TEXTS: {".one": "x", ".Two": "y"},
    Kind.NUMBERS: {".500-503": "418"},
    Kind.ANY: {".mine.a.list[0]": "x", ".mine.b": "y"},
}
FITTING = {  # what our own reading looks at
    "server.port": "80", "server.scheme": "http", "server.url": None,
}  # fmt: skip


def labels_of(field, path):
    """A label for each field below, with a value of its type."""
    if isinstance(field, Kind):
        return {path + end: value for end, value in SAMPLES[field].items()}
    made = {path: "true"} if field.bare else {}
    for name, below in field.fields.items():
        made |= labels_of(below, f"{path}{'[0]' if field.several else ''}.{name.lower()}")
    return made


def all_labels():
    """All of each router and service; of each kind of middleware one."""
    made: dict[str, str] = {}
    for family, sections in SECTIONS.items():
        for section, group in sections.items():
            base = f"traefik.{family}.{section}"
            if section == "middlewares":
                for name, field in group.fields.items():
                    made |= labels_of(field, f"{base}.m-{name.lower()}.{name.lower()}")
            else:
                made |= labels_of(group, f"{base}.all")
    fits = {label: FITTING.get(label.partition("loadbalancer.")[2], value) for label, value in made.items()}
    fits |= {"traefik.http.routers.all.rule": "Host(`x`)", "traefik.tcp.routers.all.rule": "HostSNI(`x`)"}
    return {label: value for label, value in fits.items() if value is not None and not label.endswith(".all")}


@asynccontextmanager
async def provider(body):
    """A URL that answers with this body."""

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def test_traefik_takes_every_field_there_is(tmp_path):
    made = document(a_world(a_service("all", all_labels()), tasks=[a_task("all")]))
    assert [] == [problem for problem in made.problems.get("all", ()) if "there is no" not in problem.reason]
    async with provider(made.body) as url, traefik(url, tmp_path) as proxy:

        async def taken():
            return "all@http" in (await proxy.has()).get("services", {})

        await until(taken, "the document")
        has = await proxy.has()
    kinds = {f"m-{name.lower()}@http" for name in SECTIONS["http"]["middlewares"].fields}
    assert kinds <= has["middlewares"].keys()
    assert "all@http" in has["tcpServices"]
    assert "all@http" in has["udpServices"]


async def test_a_field_that_traefik_does_not_know_would_cost_all(tmp_path):
    body = b'{"http":{"routers":{"a":{"rule":"Host(`a`)","service":"b","rul":"x"}}}}'
    async with provider(body) as url, traefik(url, tmp_path) as proxy:
        await until(lambda: "field not found, node: rul" in proxy.log.read_text(), "Traefik's word")
