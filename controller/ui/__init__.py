"""The page: what the hub shows to a person with a browser, and the sessions that let one in."""
