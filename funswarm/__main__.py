"""`python -m funswarm`: the command line."""

from funswarm.cli import main

main()
