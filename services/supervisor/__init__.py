"""Everything on one machine: a NATS, an engine or the simulator, and the three services as child processes."""
