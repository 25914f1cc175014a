"""Everything on one machine: a NATS, an engine or the simulator, and the services as child processes."""
