"""The demo: a fleet of twelve clusters on this machine, and a story told by its Git commits."""
