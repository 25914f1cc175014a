"""A real Docker engine and real Swarms of several nodes on one Linux machine, for users and for our tests.

`python -m testbed --help` is the door for people (`make swarm-up` calls it); tests import `testbed.engine`,
`testbed.images` and `testbed.swarm`. Standard library only, so that it runs before any virtual environment exists.

The parts, from the bottom: `shell` (commands, waits, folders) · `debian` (packages and root file systems) ·
`engine` (one engine on the host) · `images` (what the tests run, built or pulled once) · `node` (a docker-in-docker
container: its daemon, its power switch) · `inventory` (what exists on the host engine) · `swarm` (nodes joined).
"""
