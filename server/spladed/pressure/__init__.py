"""How soon, and how rightly, does a server answer at a given rate?

In: a way to ask (`questions`), and when to ask (`schedule`, pure). Out: `Samples`, what each
request waited and how it ended. `drive` asks, from one event loop. Knows the client alone.

Requests are sent when they are due, not when the one before was answered, and what one waited
counts from when it was due: a server that stalls cannot hide it by being asked less
(coordinated omission).
"""
