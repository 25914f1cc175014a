"""`python -m testbed`: the testbed's command line. Results go to standard output, progress to standard error.

Exit status: 0 done, 1 it could not be done (with the reason), 2 wrong usage.
"""

import argparse
import signal
import sys
from collections.abc import Sequence

from testbed import deploy, engine, images, swarm, tls
from testbed.shell import SetupError, say
from testbed.swarm import Swarm


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    options = _parser().parse_args(arguments)
    # As after Ctrl-C, what is half-made is to be removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        return _COMMANDS[options.command](options)
    except SetupError as error:
        say(f"error: {error}")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m testbed", description="Real Docker Swarms on one Linux machine.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    command = commands.add_parser(
        "engine", help="the host's Docker engine: yours, or one that is started if none answers"
    )
    command.add_argument("action", choices=("start", "stop", "status"))

    command = commands.add_parser("up", help="make a Swarm of several nodes, or print the one that is there")
    _add_name(command)
    command.add_argument("--nodes", type=int, default=3, help="how many nodes (default: %(default)s)")
    command.add_argument("--managers", type=int, default=1, help="how many of them are managers (default: %(default)s)")
    command.add_argument("--network", default=swarm.NETWORK, help="its overlay network (default: %(default)s)")
    command.add_argument("--fresh", action="store_true", help="remove the Swarm of that name first")

    _add_name(commands.add_parser("down", help="remove a Swarm with everything in it"))

    command = commands.add_parser(
        "env", help='print a node\'s DOCKER_HOST for the shell: eval "$(python -m testbed env)"'
    )
    _add_name(command)
    command.add_argument("--node", default="node-1", help="which node (default: %(default)s)")
    command.add_argument("--tls", action="store_true", help="over TCP with TLS, as to a machine elsewhere")

    command = commands.add_parser("load", help="copy images of the host's engine to every node")
    _add_name(command)
    command.add_argument("images", nargs="+", metavar="IMAGE")

    _add_name(commands.add_parser("deploy", help="build this checkout, and deploy or update its stack on a Swarm"))

    _add_name(commands.add_parser("proxy", help="add Traefik and a site behind it to a Swarm that has the stack"))

    commands.add_parser("build", help="build the image of this checkout, funswarm:build, on the host's engine")
    commands.add_parser("status", help="the engine and the Swarms that are there")
    commands.add_parser("images", help="pull or build the images that the tests need, where missing")
    return parser


def _add_name(command: argparse.ArgumentParser) -> None:
    command.add_argument("--name", default="funswarm", help="the Swarm's name (default: %(default)s)")


def _engine(options: argparse.Namespace) -> int:
    if options.action == "stop":
        say("stopped our engine" if engine.stop() else "no engine of ours is running: nothing to stop")
        return 0
    found = engine.start() if options.action == "start" else engine.find()
    if found is None:
        say("no Docker engine answers; start one: python -m testbed engine start")
        return 1
    say(f"Docker {found.version} (API {found.api_version}), {'started by the testbed' if found.owned else 'yours'}")
    print(f"export DOCKER_HOST={found.host}")
    return 0


def _up(options: argparse.Namespace) -> int:
    made = swarm.up(options.name, options.nodes, options.managers, options.network, fresh=options.fresh)
    say(f"the Swarm {made.name} is {'up' if made.owned else 'there already'}")
    _print_nodes(made)
    return 0


def _down(options: argparse.Namespace) -> int:
    say(f"removed the Swarm {options.name}" if swarm.down(options.name) else f"there is no Swarm {options.name}")
    return 0


def _env(options: argparse.Namespace) -> int:
    nodes = {node.name: node for node in _existing(options.name).nodes}
    if options.node not in nodes:
        raise SetupError(f"the Swarm {options.name} has no node {options.node!r}, only {', '.join(nodes)}")
    node = nodes[options.node]
    variables = tls.environment(node) if options.tls else {"DOCKER_HOST": node.host}
    if not options.tls:
        print("unset DOCKER_TLS_VERIFY DOCKER_CERT_PATH")
    for name, value in variables.items():
        print(f"export {name}={value}")
    return 0


def _load(options: argparse.Namespace) -> int:
    swarm.load(_existing(options.name), options.images)
    return 0


def _deploy(options: argparse.Namespace) -> int:
    made = deploy.deploy_local(_existing(options.name))
    say("the stack is healthy: " + " ".join(f"{url}/health" for url in made.http_urls))
    print(f"export NATS_URL={made.nats_url} FUNSWARM_NATS_USER={made.nats_user}")
    print(f"export FUNSWARM_NATS_PASSWORD={made.nats_password} FUNSWARM_HTTP_URL={made.http_urls[0]}")
    print(f"export FUNSWARM_HTTP_TOKEN={made.http_token}")
    return 0


def _proxy(options: argparse.Namespace) -> int:
    print("\n".join(deploy.deploy_proxy(_existing(options.name))))
    return 0


def _build(_: argparse.Namespace) -> int:
    found = engine.start()
    images.ensure(found, (images.PYTHON,))
    print(deploy.build(found.host, images.PYTHON.tag))
    return 0


def _status(_: argparse.Namespace) -> int:
    found = engine.find()
    say(f"engine: {found.host} (Docker {found.version})" if found else "engine: none answers")
    for name in swarm.names():
        print(name)
        _print_nodes(_existing(name))
    return 0


def _images(_: argparse.Namespace) -> int:
    print("\n".join(images.ensure(engine.start())))
    return 0


def _existing(name: str) -> Swarm:
    found = swarm.find(name)
    if found is None:
        raise SetupError(f"there is no Swarm {name}: make it with python -m testbed up --name {name}")
    return found


def _print_nodes(found: Swarm) -> None:
    for node in found.nodes:
        print(f"{node.name:8} {node.role:8} {node.address:15} DOCKER_HOST={node.host}")


_COMMANDS = {
    "engine": _engine,
    "up": _up,
    "down": _down,
    "env": _env,
    "load": _load,
    "deploy": _deploy,
    "proxy": _proxy,
    "build": _build,
    "status": _status,
    "images": _images,
}

if __name__ == "__main__":
    sys.exit(main())
