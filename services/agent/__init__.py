"""The node agent, optional: tells on NATS what the tasks of its node use. Runs as a global service."""
