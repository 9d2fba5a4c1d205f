"""The index room's loops, compiled. Each file is one kind of loop; see `compiled`."""
