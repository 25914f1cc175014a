"""Wake on request: Sablier's HTTP contract, for the plugins that proxies have for it (docs/wake.md).

A request opens sessions, which the scheduler's wake policy acts on, and is answered from the followed state.
"""
