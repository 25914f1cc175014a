"""Funswarm: a durable feed of a Docker Swarm's changes on NATS, and commands that are applied exactly once."""
