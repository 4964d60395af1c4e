"""Every NATS subject of Flotilla, written in one place."""

from protocol import ids
from protocol.canonical import Digest

ROOT = "flotilla.v1"

LOG = f"{ROOT}.log.>"
DESIRED = f"{ROOT}.desired.*"
LIVE = f"{ROOT}.live.*"
BLOBS = f"{ROOT}.blob.*"
REPORTS = f"{ROOT}.report.*.>"
BEATS = f"{ROOT}.beat.*"
RENEWALS = f"{ROOT}.renew.*"

DIRECT_GET = "$JS.API.DIRECT.GET"
"""JetStream's API for the last value of a subject, answered by any replica (ADR-31)."""


def log(aggregate: str, identity: str) -> str:
    """Where the events of one aggregate are appended, for example `flotilla.v1.log.source.shop`."""
    return f"{ROOT}.log.{aggregate}.{identity}"


def desired(cluster: ids.ClusterId) -> str:
    """Where a cluster's last desired state is stored."""
    return f"{ROOT}.desired.{cluster}"


def live(cluster: ids.ClusterId) -> str:
    """Where a stored desired state is republished for the agent that listens."""
    return f"{ROOT}.live.{cluster}"


def blob(name: Digest) -> str:
    """Where a sealed blob is stored."""
    return f"{ROOT}.blob.{name}"


def report(cluster: ids.ClusterId, kind: str) -> str:
    """Where an agent's reports of one kind are stored."""
    return f"{ROOT}.report.{cluster}.{kind}"


def beat(cluster: ids.ClusterId) -> str:
    """Where an agent's heartbeats pass (core NATS, not stored)."""
    return f"{ROOT}.beat.{cluster}"


def renew(cluster: ids.ClusterId) -> str:
    """Where an agent asks for a fresh token (core NATS, answered by the hub)."""
    return f"{ROOT}.renew.{cluster}"


def direct_get(stream: str, subject: str) -> str:
    """The request that answers with the last message of `subject` in `stream`."""
    return f"{DIRECT_GET}.{stream}.{subject}"
