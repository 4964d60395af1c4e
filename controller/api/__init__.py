"""The hub's HTTP API: what the command line and the page need, and nothing that they could not do by hand."""
