"""How do calls come in and answers go out?

In: protobuf requests. Out: protobuf replies, or one status with details. `wire` turns
messages into the rooms' own types, `status` turns errors into statuses and back, `mount`
wraps every method of the contract the same way, the services are the lines of the design.
`wire` and `status` are shared with the client and import no other room.
"""
