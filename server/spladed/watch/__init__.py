"""What does the server do, in figures that others collect?

`metrics` counts (the only importer of prometheus_client), `collections` reads the index when
somebody asks, `http` answers the few paths that collectors and orchestrators know. Rooms do not
know this one: they are handed small functions to call.
"""
