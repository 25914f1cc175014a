"""NATS as the services see it; the only importer of nats among them.

    connection.py  Bus: one connection; publish, request, serve, declare
    journal.py     the one fenced writer of a stream
    reading.py     a stream, from a sequence to its end
    state.py       the bucket of all states
    lease.py       who is the active copy of a part
    deliveries.py  the work queue of commands
    serving.py     NATS micro services
    streams.py     what streams there are (pure)
    below: link.py (nats-py, tamed), answers.py (who waits for what), jetstream.py (its API), settings.py

Errors are funswarm.errors' only: `Unavailable` when NATS is away or slow (ask again), `PermanentError` when it refuses.
"""
