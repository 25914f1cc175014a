"""The command line: `funswarm`, or `python -m funswarm`."""

from funswarm.cli.app import main

__all__ = ["main"]
