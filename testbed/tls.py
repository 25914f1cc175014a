"""A node's engine over TCP with TLS, as docker-machine gave it: a CA, the node's certificate, and a client's. I/O.

All of it lies beside the node's socket (`inventory.sockets`) and goes with the Swarm.
"""

import os
from pathlib import Path

from testbed import debian, inventory
from testbed.node import EXTRA_FLAGS, SOCKET_FOLDER, Node, start_dockerd, stop_dockerd
from testbed.shell import locked, run, say, wait_for

PORT = 2376
_ANSWER_S = 60


def environment(node: Node) -> dict[str, str]:
    """What a Docker client needs to reach a node's engine over TCP, as `docker-machine env` gave it.

    The first time makes the certificates and starts the node's engine anew: its containers stop, and Swarm starts them
    again.
    """
    folder = inventory.sockets(node.swarm, node.name)
    variables = {
        "DOCKER_HOST": f"tcp://{node.address}:{PORT}",
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CERT_PATH": str(folder / "client"),
    }
    with locked(f"tls-{node.container}"):
        if not (folder / EXTRA_FLAGS).exists():
            say(f"making certificates, and starting the engine of {node.container} anew to use them")
            _make_certificates(folder, node)
            (folder / EXTRA_FLAGS).write_text(_flags())
            stop_dockerd(node)
            start_dockerd(node)
        complete = {**os.environ, **variables}
        command = ("docker", "version", "--format", "{{.Server.Version}}")
        wait_for(
            lambda: run(*command, timeout_s=10, env=complete), f"{node.container} over TLS", _ANSWER_S, log=node.log
        )
    return variables


def _flags() -> str:
    server = f"{SOCKET_FOLDER}/server"
    files = f"--tlscacert={server}/ca.pem --tlscert={server}/cert.pem --tlskey={server}/key.pem"
    return f"--host=tcp://0.0.0.0:{PORT} --tlsverify {files}\n"


def _make_certificates(folder: Path, node: Node) -> None:
    """The folders `server` and `client`, each with the CA's certificate, its own, and its key."""
    debian.install({"openssl": "openssl"})
    authority, key = folder / "ca.pem", folder / "ca-key.pem"
    new_key = ("-newkey", "rsa:2048", "-nodes")
    run(
        "openssl", "req", "-x509", *new_key, "-days", "3650", "-subj", "/CN=funswarm testbed", "-keyout", str(key),
        "-addext", "keyUsage=critical,keyCertSign", "-out", str(authority),
    )  # fmt: skip
    uses = {"server": f"serverAuth\nsubjectAltName=IP:{node.address},IP:127.0.0.1", "client": "clientAuth"}
    for name, use in uses.items():
        side = folder / name
        side.mkdir(mode=0o700, exist_ok=True)
        (side / "ca.pem").write_bytes(authority.read_bytes())
        request, extensions = side / "request.pem", side / "extensions"
        extensions.write_text(f"authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\nextendedKeyUsage={use}\n")
        own_key = str(side / "key.pem")
        run("openssl", "req", *new_key, "-subj", f"/CN={name}", "-keyout", own_key, "-out", str(request))
        run(
            "openssl", "x509", "-req", "-in", str(request), "-CA", str(authority), "-CAkey", str(key),
            "-CAcreateserial", "-days", "3650", "-extfile", str(extensions), "-out", str(side / "cert.pem"),
        )  # fmt: skip
