"""Policies: what the scheduler does of itself with services whose labels ask for it. docs/policies.md says how.

feed -> `world` -> `evaluate` (pure: each policy's `decide`, one conflict rule) -> `records` (memory, before anything is
done) -> the commands' stream, like anybody's; and `telling`: why, for people.
"""
