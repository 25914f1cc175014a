"""Webhooks: each hook's events, from its durable consumer to its URL.

`keeping` knows the hooks (bucket, file) → `manager` runs one `running` per hook → `lanes` says whose turn it is →
`cloudevents` makes the request, `posting` sends it, `judging` says what follows. docs/webhooks.md has the contract.
"""
