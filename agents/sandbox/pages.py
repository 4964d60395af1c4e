"""Lists: the state at a version, and in pages that are all of one state.

A state of the past is the present one with the remembered changes undone, so nothing is kept for it.
"""

import base64
import binascii
from collections.abc import Iterable

import msgspec

from agents.sandbox import statuses, store
from agents.sandbox.cluster import Cluster
from agents.sandbox.list_options import ListOptions
from agents.sandbox.reads import Rendering, Selection
from agents.sandbox.schema import Object, Resource
from agents.sandbox.store import Record

FORMAT = "meta.k8s.io/v1"
NEWEST = -1  # the version in a token that gives up consistency


class Token(msgspec.Struct, frozen=True, rename={"form": "v", "version": "rv"}):
    """Where a list goes on: in which state, and from which path within the namespaces asked for."""

    form: str
    version: int
    start: str


def listing(cluster: Cluster, wanted: Selection, options: ListOptions, *, how: Rendering) -> bytes:
    """Return a collection, or the page of it that a limit allows."""
    token = _read(options.token) if options.token else None
    version = _version(cluster.store.version, options, token)
    found = _state(cluster, wanted, version, token=token, resource=how.resource)
    records = [record for record in found if wanted.matches(record)]
    if not options.limit or len(records) <= options.limit:
        return how.many(records, str(version))
    page, rest = records[: options.limit], records[options.limit :]
    more: Object = {"continue": _written(version, f"{_place(page[-1], wanted)}\0")}
    if wanted.whole:  # of a selection the real server does not count what it has not read
        more["remainingItemCount"] = len(rest)
    return how.many(page, str(version), more=more)


def _version(current: int, options: ListOptions, token: Token | None) -> int:
    """Return the version whose state is to be listed."""
    asked = options.version if token is None else token.version
    if asked > current:
        raise statuses.too_large_version(asked, current)
    if token is not None and token.version != NEWEST:
        return token.version
    return options.version if options.exact else current


def _state(
    cluster: Cluster, wanted: Selection, version: int, *, token: Token | None, resource: Resource
) -> Iterable[Record]:
    """Return the state at a version, from where the token says."""
    key = store.key_of(resource)
    try:
        if version == cluster.store.version:
            found = cluster.store.collection(key, wanted.namespace)
        else:
            found = cluster.store.collection_at(key, wanted.namespace, version=version)
    except store.TooOld as error:
        if token is None:
            raise statuses.expired_list() from error
        raise statuses.expired_page(_written(NEWEST, token.start)) from error
    if token is None:
        return found
    return [record for record in found if _place(record, wanted) >= token.start]


def _place(record: Record, wanted: Selection) -> str:
    return "/" + (record.name[1] if wanted.namespace else store.path_of(record.name))


def _written(version: int, start: str) -> str:
    token = Token(FORMAT, version, start)
    return base64.urlsafe_b64encode(msgspec.json.encode(token)).decode().rstrip("=")


def _read(text: str) -> Token:
    try:
        token = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=Token)
    except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _refused(str(error)) from error
    if token.form != FORMAT:
        raise _refused(f"server does not recognize this encoded version {token.form}")
    if ".." in token.start.split("/"):
        raise _refused(token.start)
    return msgspec.structs.replace(token, start="/" + token.start.removeprefix("/"))


def _refused(why: str) -> statuses.Failure:
    return statuses.bad_request(f"invalid continue token: continue key is not valid: {why}")
