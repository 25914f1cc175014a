"""The paths of the Engine API that the simulator knows, in one table, and the way from a request to its answer.

Versioned paths (`/v1.43/…`) and plain ones; errors become dockerd's JSON. No I/O of its own.
"""

import re
from collections.abc import Awaitable, Callable

from services.simulator import routes_control, routes_objects, routes_services, routes_system
from services.simulator.calls import Call
from services.simulator.cluster import Cluster
from services.simulator.http import App, Request, Response, refusal
from services.simulator.model import ApiError

Handler = Callable[[Call], Awaitable[Response]]

_VERSION = re.compile(r"^/v(\d+\.\d+)(/.*)$")
_TABLE: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/_ping", routes_system.ping),
    ("HEAD", "/_ping", routes_system.ping),
    ("GET", "/version", routes_system.version),
    ("GET", "/info", routes_system.info),
    ("GET", "/swarm", routes_system.swarm),
    ("GET", "/events", routes_system.events),
    ("GET", "/containers/json", routes_system.containers),
    ("GET", "/images/(.+)/json", routes_system.image),
    ("GET", "/distribution/(.+)/json", routes_system.distribution),
    ("GET", "/services", routes_services.list_services),
    ("POST", "/services/create", routes_services.create),
    ("GET", "/services/([^/]+)", routes_services.inspect),
    ("POST", "/services/([^/]+)/update", routes_services.update),
    ("DELETE", "/services/([^/]+)", routes_services.remove),
    ("GET", "/tasks", routes_services.list_tasks),
    ("GET", "/tasks/([^/]+)", routes_services.inspect_task),
    ("GET", "/nodes", routes_objects.list_nodes),
    ("GET", "/nodes/([^/]+)", routes_objects.inspect_node),
    ("POST", "/nodes/([^/]+)/update", routes_objects.update_node),
    ("DELETE", "/nodes/([^/]+)", routes_objects.remove_node),
    ("GET", "/networks", routes_objects.list_networks),
    ("POST", "/networks/create", routes_objects.create_network),
    ("GET", "/networks/([^/]+)", routes_objects.inspect_network),
    ("DELETE", "/networks/([^/]+)", routes_objects.remove_network),
    ("GET", "/(secret|config)s", routes_objects.list_resources),
    ("POST", "/(secret|config)s/create", routes_objects.create_resource),
    ("GET", "/(secret|config)s/([^/]+)", routes_objects.inspect_resource),
    ("DELETE", "/(secret|config)s/([^/]+)", routes_objects.remove_resource),
    ("GET", "/simulator/faults", routes_control.faults),
    ("POST", "/simulator/faults", routes_control.set_faults),
    ("POST", "/simulator/restart", routes_control.restart),
    ("POST", "/simulator/nodes", routes_control.add_node),
    ("POST", "/simulator/nodes/([^/]+)", routes_control.set_node_state),
    ("POST", "/simulator/tasks/([^/]+)", routes_control.kill_task),
)
_ROUTES = tuple((method, re.compile(f"^{path}$"), handler) for method, path, handler in _TABLE)


def app(cluster: Cluster, control: routes_control.Control) -> App:
    """The whole API over one cluster: what http.py asks for each request."""
    always = {
        "Api-Version": cluster.version.api_text,
        "Docker-Experimental": "false",
        "Ostype": "linux",
        "Server": f"Docker/{cluster.version.engine} (linux)",
    }

    async def respond(request: Request) -> Response:
        try:
            response = await _dispatch(cluster, control, request)
        except ApiError as error:
            response = refusal(error)
        headers = {**always, **response.headers}
        return Response(response.status, response.body, response.content_type, headers, response.stream)

    return respond


async def _dispatch(cluster: Cluster, control: routes_control.Control, request: Request) -> Response:
    versioned = _VERSION.match(request.path)
    path = versioned[2] if versioned else request.path
    api = cluster.version.negotiate(versioned[1] if versioned else None)
    for method, pattern, handler in _ROUTES:
        match = pattern.match(path)
        if match and method == request.method:
            return await handler(Call(cluster, control, request, match.groups(), api))
    raise ApiError(404, "page not found")
