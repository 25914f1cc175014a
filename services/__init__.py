"""The applications: `python -m services.poller`, `.scheduler`, `.notifier`, `.api`; `python -m services` runs them all.

Not in the wheel (docs/decisions/0001): a top-level package of this name would hide users' own.
"""
