"""The api's process: `python -m services.api`. Wiring only."""

from services.api.serving import serve
from services.runtime import run

if __name__ == "__main__":
    run("api", serve)
