"""The wire contract between hub and agents: types, names and bytes; no I/O."""
