"""`python -m services.healthcheck`: is the part in this container alive? The image's HEALTHCHECK.

Standard library only: it runs every few seconds. Reads the file FUNSWARM_ALIVE_FILE, which services.runtime touches
while its event loop turns; for the api it also asks `/healthz`. Exit code 0: alive; 1: not, with the reason on stdout,
where `docker inspect` shows it.
"""

import json
import os
import ssl
import sys
import time
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Final

AGE_MAX_S: Final = 20.0  # four of runtime's intervals
HTTP_TIMEOUT_S: Final = 5.0


def why_not(alive_file: str | None) -> str | None:
    """Why the part is not alive, None when it is."""
    if not alive_file:
        return "FUNSWARM_ALIVE_FILE is not set, for the service and for this check alike"
    path = Path(alive_file)
    try:
        age_s = time.time() - path.stat().st_mtime
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return f"no sign of life: {error}"
    if age_s > AGE_MAX_S:
        return f"{said['part']}: its event loop last turned {age_s:.0f} s ago"
    return _ask(said["http_port"], said["tls"]) if said["part"] == "api" else None


def _ask(port: int, tls: bool) -> str | None:
    connection = HTTPConnection("127.0.0.1", port, timeout=HTTP_TIMEOUT_S)
    if tls:  # whether it answers, not who it is: this is its own container
        context = ssl._create_unverified_context()  # noqa: S323, SLF001
        connection = HTTPSConnection("127.0.0.1", port, timeout=HTTP_TIMEOUT_S, context=context)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        return f"api: /healthz on port {port} does not answer: {error!r}"
    finally:
        connection.close()
    return None if status == 200 else f"api: /healthz answers {status}"


if __name__ == "__main__":
    reason = why_not(os.environ.get("FUNSWARM_ALIVE_FILE"))
    print(reason or "alive")  # noqa: T201
    sys.exit(1 if reason else 0)
