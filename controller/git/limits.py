"""The bounds of everything that a remote may make us wait for or store."""

import msgspec

MIB = 1024 * 1024


class Limits(msgspec.Struct, frozen=True):
    """Bounds of talking to one remote."""

    connect_s: float = 15.0
    """Until a connection stands: beyond the slowest handshake over a working network."""
    idle_s: float = 60.0
    """Without a byte from the server: `git upload-pack` may count objects that long before it sends the first."""
    fetch_s: float = 1800.0
    """For one fetch or clone as a whole: 4 GiB at 2.3 MiB/s."""
    pack_bytes_max: int = 4096 * MIB
    """What one fetch may store; a repository of manifests is a thousandth of that, and a disk must not fill up."""
    reclone_interval_s: float = 600.0
    """Between two replacements of a mirror that misses objects: if the remote itself lacks them, a new clone is no
    cure, and cloning at every poll would burden everybody."""


PACKS_MAX = 100
"""Every fetch leaves a pack, and every lookup may ask each of them: past this a mirror is replaced by a fresh clone."""

OPEN_PACKS = 128
"""Pack files that libgit2 keeps open, for the whole process: a default limit of 1,024 descriptors has to do."""

SIZE_CHECK_S = 1.0
"""How often the growth of a clone by the `git` command is looked at: at 100 MB/s it overshoots by as much."""

LOOK_S = 0.2
"""How often a silent command is looked at: a cancelled poll waits no longer than this."""

COMPLAINT_BYTES = 64 * 1024
"""Kept of the beginning and of the end of what a command writes to stderr."""

ADVERTISEMENT_BYTES_MAX = 64 * MIB
"""Of refs that a remote lists to the `git` command: half a million with long names."""

NETWORK_THREADS = 8
"""Remotes talked to at one time. Waiting threads are cheap; the bound keeps dead remotes from taking every thread."""

READ_THREADS = 2
"""Commits read at one time: this is CPU under Python's lock, more threads would only slow down the event loop."""

OBJECT_CACHE_BYTES = 32 * MIB
"""libgit2's cache of parsed objects, for the whole process (its default is 256 MiB); every tree is read once."""

MESSAGE_CHARACTERS_MAX = 300
"""Of what a remote says, in an error: it is not ours, and must not flood a log."""
