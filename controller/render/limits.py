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

VARIABLE_CHARACTERS_MAX = 400
"""The name of a variable: an annotation's key, which may have 317, and what stands before it."""

VARIABLES_BYTES_MAX = 256 * KIB
"""One file of variables."""

SETTINGS_ENTRIES_MAX = 500
"""Entries of one list in a bundle's settings: each is tried on every cluster, bundle or object."""

CHILD_WALL_S = 60.0
"""One run of helm or kustomize, which takes 0.03 to 0.3 s; the largest charts, on a machine that is busy, 5 s."""

CHILD_CPU_S = 60
"""Seconds of processor time of one process."""

CHILD_MEMORY_BYTES_MAX = 1024 * MIB
"""Data of one process, and memory of a child with all that it started. helm and kustomize stay below 200 MiB. Not
address space: Go reserves a lot of it and uses little."""

CHILD_FILE_BYTES_MAX = 64 * MIB
"""One file that a child writes."""

CHILD_OPEN_FILES_MAX = 512
"""Of one process."""

CHILD_PROCESSES_MAX = 64
"""A child and all that it started; helm and kustomize start nothing. RLIMIT_NPROC does not hold for root."""

CHILD_THREADS_MAX = 1024
"""Of a child and all that it started; a Go program has a dozen, or a few for each core."""

CHILD_OUTPUT_BYTES_MAX = FILE_BYTES_MAX
"""What a child writes to its output: it is read as one file afterwards."""

CHILD_STDERR_BYTES_MAX = 16 * KIB
"""The end of what a child complains about."""

CHILD_LEAVE_S = 10.0
"""From a kill to the proof that nothing is left; a millisecond, unless the machine is starved."""

CHILD_INPUT_FILES_MAX = BUNDLE_FILES_MAX
"""Files laid out for one child."""

CHILD_SMALL_BYTES_MAX = MIB
"""Bytes of all files of a child that may be laid out in memory: most charts and kustomizations have a tenth of it."""

CHILD_INPUT_BYTES_MAX = BUNDLE_BYTES_MAX
"""Bytes of all files laid out for one child."""

MESSAGE_CHARACTERS_MAX = 600
"""What is quoted of a child's complaint."""

KUSTOMIZATIONS_MAX = 1000
"""Directories with a kustomization, or a chart, that one build is made of; a deep set of overlays has thirty."""

CHART_ARCHIVE_BYTES_MAX = 16 * MIB
"""A chart's archive; Helm's own chart museums refuse more than 20."""

CHART_UNPACKED_BYTES_MAX = BUNDLE_BYTES_MAX
"""An archive of a chart, unpacked: a thousand times its size is easily written."""

BUNDLE_WALL_S = 1800.0
"""One bundle for all its clusters: a thousand charts of 0.3 s are five minutes, on a busy machine twenty. What still
runs then is stuck in something that nobody foresaw, and would keep its source from every later commit."""

WORKER_TASKS_MAX = 2000
"""Bundles that one render process works through before another takes its place: what a library leaks goes with it."""

CHARTS_KEPT_MAX = 1000
"""Charts of which one process remembers whether they look at the cluster's version."""
