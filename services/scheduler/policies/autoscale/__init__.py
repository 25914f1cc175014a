"""How many replicas a service should have, by what triggers measure: the pure core of the autoscale policy.

labels -> `settings`; readings -> `proposals` (the arithmetic of Kubernetes' HPA) -> `windows` (stabilisation, rates) ->
`deciding` (floors, zero, fallback, limits). Nothing here reads a metric: readings come in, a number and reasons go out.
"""
