"""The hub: from Git commits to signed desired states, and from reports to the next decision."""
