"""The four JetStream streams as data: the hub creates them so, and asserts at every start that they still are so.

Field names are those of the JetStream API (`STREAM.CREATE`), so that a dictionary of them is the request.
"""

import msgspec

from protocol import subjects

REPORTS_PER_SUBJECT_MAX = 512
"""Stored reports of one kind of one cluster. The hub folds them as they come; a cluster that floods loses its own
oldest, never another cluster's."""

MESSAGE_BYTES_MAX = 1024 * 1024
"""nats-server's default `max_payload`; what is larger must be split or compressed before it gets here."""

DUPLICATE_WINDOW_NS = 100_000_000
"""The smallest window nats-server takes. Nobody here relies on message ids: they are per stream, so that one cluster
could make the server drop another's message."""


class Republish(msgspec.Struct, frozen=True):
    """Where what is stored is sent on, on core NATS."""

    src: str
    dest: str


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """A stream's configuration; what is not listed here must be off on the server."""

    name: str
    subjects: tuple[str, ...]
    retention: str = "limits"
    storage: str = "file"
    discard: str = "old"
    max_msgs_per_subject: int = -1
    max_msg_size: int = MESSAGE_BYTES_MAX
    max_consumers: int = -1
    num_replicas: int = 1
    duplicate_window: int = DUPLICATE_WINDOW_NS
    allow_direct: bool = False
    allow_atomic: bool = False
    allow_rollup_hdrs: bool = False
    allow_msg_ttl: bool = False
    deny_delete: bool = False
    deny_purge: bool = False
    republish: Republish | None = None


LOG = Stream(
    name="LOG",
    subjects=(subjects.LOG,),
    discard="new",
    allow_atomic=True,
    deny_delete=True,
    deny_purge=True,
)
"""The truth about decisions: nothing in it is ever removed."""

DESIRED = Stream(
    name="DESIRED",
    subjects=(subjects.DESIRED,),
    max_msgs_per_subject=1,
    allow_direct=True,
    allow_atomic=True,
    republish=Republish(src=subjects.DESIRED, dest=f"{subjects.ROOT}.live.{{{{wildcard(1)}}}}"),
)
"""One value a cluster, sent on to the agent once it is stored."""

BLOBS = Stream(
    name="BLOBS",
    subjects=(subjects.BLOBS,),
    max_msgs_per_subject=1,
    allow_direct=True,
)
"""Sealed roots, indexes and manifests by name."""

REPORTS = Stream(
    name="REPORTS",
    subjects=(subjects.REPORTS,),
    max_msgs_per_subject=REPORTS_PER_SUBJECT_MAX,
)
"""What the agents said; the hub's other memory beside the log."""

ALL = (LOG, DESIRED, BLOBS, REPORTS)
