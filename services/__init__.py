"""The applications: `python -m services.poller`, `.scheduler`, `.api`; `python -m services` runs all three.

Not in the wheel (docs/decisions/0001): a top-level package of this name would hide users' own.
"""
