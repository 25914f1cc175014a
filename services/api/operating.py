"""The routes for operators: is it alive, is it ready, its figures, and a landing page."""

from importlib.metadata import version

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse, PlainTextResponse

from funswarm.client import Client
from funswarm.errors import FunswarmError, Unavailable
from funswarm.health import assess
from funswarm.metrics import labelled, merge
from services.api.documented import UNAVAILABLE
from services.api.figures import Figures

VERSION = version("funswarm")


def routes(client: Client, figures: Figures, instance: str) -> APIRouter:
    """/healthz, /readyz, /metrics and /."""
    router = APIRouter(tags=["operating"])

    @router.get("/healthz", summary="Whether it answers", response_class=PlainTextResponse)
    async def get_healthz() -> Response:
        """This process answers. It says nothing of NATS: a restart would not help that."""
        return PlainTextResponse("alive\n")

    @router.get("/readyz", summary="Whether all works", responses=UNAVAILABLE, response_class=PlainTextResponse)
    async def get_readyz() -> Response:
        """NATS is reached, and a poller and a scheduler are active: everything works."""
        health = assess(await client.parts(), (), None)
        if not health.ok:
            raise Unavailable("; ".join(health.reasons))
        return PlainTextResponse("ready\n")

    @router.get("/metrics", summary="All figures", response_class=PlainTextResponse)
    async def get_metrics() -> Response:
        """The figures of this process and of all copies of all parts, for Prometheus; its own while NATS is away."""
        pages = [labelled(figures.text(), instance)]
        try:
            pages.append(await client.metrics())
        except FunswarmError as error:
            pages.append(f"# the other parts: {error}\n")
        return PlainTextResponse(merge(pages), media_type="text/plain; version=0.0.4; charset=utf-8")

    @router.get("/", include_in_schema=False, response_model=None)
    async def landing() -> Response:
        return HTMLResponse(LANDING)

    return router


LANDING = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Funswarm</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1rem}}
td{{padding:.15rem 1rem .15rem 0;vertical-align:top}}code{{white-space:nowrap}}</style></head><body>
<h1>Funswarm {VERSION}</h1>
<p>The event bus and control plane of this Docker Swarm.</p>
<table>
<tr><td><a href="/health"><code>GET /health</code></a><td>how all is, and which services run
<tr><td><a href="/create"><code>GET /create</code></a><td>create a service of nginx:
<code>service-1</code>, <code>service-2</code> …; or with <code>?name=web&amp;image=nginx&amp;replicas=2</code>
<tr><td><a href="/v1/services"><code>GET /v1/services</code></a><td>the services; POST creates one
<tr><td><a href="/v1/tasks"><code>GET /v1/tasks</code></a><td>the tasks; <code>?service=</code> <code>?node=</code>
<tr><td><a href="/v1/nodes"><code>GET /v1/nodes</code></a><td>the nodes
<tr><td><code>GET /v1/events</code><td>every change as it happens: <code>curl -N</code> this address
<tr><td><a href="/metrics"><code>GET /metrics</code></a><td>for Prometheus
<tr><td><a href="/docs"><code>GET /docs</code></a><td>all routes; <a href="/openapi.json">OpenAPI</a>
</table></body></html>
"""
