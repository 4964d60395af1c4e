"""The bounds of what one commit may make the hub read, hold and store."""

KIB = 1024
MIB = 1024 * KIB

FILE_BYTES_MAX = 8 * MIB
"""One file; the largest collections of CRDs that projects publish as one file have about 5 MiB."""

DEPTH_MAX = 100
"""Nested collections: a CRD's schema reaches about 40. libyaml's flow scanner is quadratic in the depth, and msgspec
recurses; at this depth neither matters."""

NODES_MAX = 500_000
"""Values in one file, counted as often as aliases repeat them: about 100 MB of Python objects at worst. A file of
FILE_BYTES_MAX that people wrote has 300,000."""

EXPANDED_BYTES_MAX = 2 * FILE_BYTES_MAX
"""Characters of all scalars in one file, counted as often as aliases repeat them."""

TAG_DIRECTIVES_MAX = 100
"""`%TAG` lines in one file. libyaml compares each with all before it, within one call: 100,000 take 46 seconds that
nothing can interrupt, and manifests have none."""

DOCUMENTS_MAX = 20_000
"""Documents in one file."""

ERRORS_MAX = 20
"""Errors kept of one bundle: who mends the first twenty will see the next."""

WARNINGS_MAX = 20
"""Warnings kept of one bundle."""

BUNDLE_FILES_MAX = 20_000
"""Files in one bundle."""

BUNDLE_BYTES_MAX = 64 * MIB
"""Bytes of all manifests in one bundle: they are in memory together once."""

DIRECTORIES_MAX = 200_000
"""Directories looked into in one commit. Equal trees are stored once, so that a few objects can say billions of
directories (a "Git bomb")."""

DIRECTORY_DEPTH_MAX = 64
"""Directories below one another; a path of 64 names is nobody's."""

BUNDLES_MAX = 10_000
"""Bundles of one source: its catalog has to fit one blob."""

IGNORE_BYTES_MAX = 64 * KIB
"""One ignore file."""

IGNORE_RULES_MAX = 1000
"""Rules that hold for one directory, its own and inherited ones: each is tried on every name."""

SETTINGS_BYTES_MAX = 256 * KIB
"""One flotilla.yaml or fleet.yaml."""

SETTINGS_ENTRIES_MAX = 500
"""Entries of one list in a bundle's settings: each is tried on every cluster, bundle or object."""
