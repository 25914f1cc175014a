"""docker-flow-swarm-listener's contract, served from Funswarm's feed: who is told of services and nodes, how, and what.

The way of a change: `view` folds the feed → `news` says what receivers should know of an object → `lanes` compare that
with what each was `told` last, and deliver the difference, one request at a time for each receiver and object.
`server` answers what receivers ask for. docs/docker-flow.md has the contract.
"""
