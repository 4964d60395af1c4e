"""Everything about an agent that can be set, with the reason for each default."""

import msgspec


class Settings(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Read once at the start; times are in seconds."""

    heartbeat: float = 10.0
    """How often the hub hears that the agent lives: three missed beats tell silence from delay within half a minute."""

    resync: float = 300.0
    """How often everything is applied again, and the last desired state asked for: the bound on how long drift or a
    lost message can last. Varied by a fifth, so that a fleet does not ask at once."""

    health_interval: float = 5.0
    """How often objects that are not healthy yet are read again."""

    watch_silence: float = 180.0
    """How long a watch may say nothing before it is cut and made anew: the API server sends a bookmark about once a
    minute, so three were missed."""

    survey_interval: float = 60.0
    """How often it is looked at what the API server serves, in two requests: for as long a custom kind that somebody
    installed is unknown to charts that ask for it. Varied by a fifth."""

    requests_max: int = 16
    """Concurrent requests to the API server: one API server gives one client about as many seats under its default
    priority and fairness."""

    request_timeout: float = 30.0
    """How long one request may take; admission webhooks are allowed up to 30 s."""

    retry_base: float = 1.0
    """First delay after a failure; doubled each time."""

    retry_ceiling: float = 300.0
    """Longest delay between attempts at what fails: no longer than a resync takes."""

    established_timeout: float = 30.0
    """How long a new CustomResourceDefinition may take to be served before its bundle goes on without it."""

    hook_timeout: float = 600.0
    """How long a hook may run before its bundle counts as failed: twice what helm waits, and as long as a rollout does.
    It is still waited for then, and its bundle goes on if it ends well."""

    blob_fetches_max: int = 32
    """Concurrent fetches of blobs: hides the latency of a far hub without filling its connection."""

    blob_cache_bytes: int = 256 * 1024 * 1024
    """Sealed blobs kept on disk beyond those of the accepted state."""

    hub_timeout: float = 5.0
    """How long the hub's NATS may take to answer one request."""

    lease_duration: float = 15.0
    """How long another agent of this cluster respects a lease that is not renewed: the default of Kubernetes' own
    components, long enough for a busy API server. A clean stop does not wait for it."""

    lease_deadline: float = 10.0
    """After so long without a renewal the agent stops writing. What it has sent by then has the rest of
    `leaseDuration` to end."""

    lease_retry: float = 2.0
    """Between renewals, and between looks of an agent that waits for another: how late a hand-over is noticed."""

    outbox_max: int = 1000
    """Reports that wait for the hub, on the disk. Beyond it the oldest go, the hub is told how many, and everything is
    said anew once the rest is delivered."""

    outbox_bytes: int = 32 * 1024 * 1024
    """Bytes of the reports that wait: a report may have nearly a megabyte, and a small cluster's disk is not for us."""


DEFAULTS = Settings()
