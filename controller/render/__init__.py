"""From the tree of a commit to a catalog: find the bundles, read their files, name their content."""
