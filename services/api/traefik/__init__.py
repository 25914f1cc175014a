"""Traefik's HTTP provider: a World's labels as Traefik's dynamic configuration. Pure.

`fields` knows what Traefik knows; `labels` reads a service's labels by it; `rules` makes default rules; `addresses`
finds the tasks; `parts` puts one service's part together; `document` merges all parts into the bytes that are served.
"""
