"""Server-side apply, from the configuration's bytes to the store."""

import functools

import msgspec

from agents.sandbox import admission, bodies, commits, ownership, statuses, validation
from agents.sandbox.admission import Decoded, Target
from agents.sandbox.cluster import Cluster
from agents.sandbox.commits import Change, Options, Written
from agents.sandbox.ownership import Configuration
from agents.sandbox.schema import Object, Type
from agents.sandbox.store import Record

KNOWN_MAX = 512  # configurations: a fleet applies the same bytes to every cluster
KNOWN_BYTES_MAX = 32 * 1024  # of one of them, so that all together stay below some tens of megabytes


class _Parsed(msgspec.Struct, frozen=True):
    """A configuration that was read once: its object, what it owns, and why it cannot be applied."""

    config: Configuration
    problems: tuple[str, ...]


def apply(cluster: Cluster, target: Target, body: bytes, *, options: Options) -> Written:
    """Apply a configuration: create the object, or lay the configuration over it."""
    parse = _known if len(body) <= KNOWN_BYTES_MAX else _parsed
    parsed = parse(target.resource.type, body)
    value = admission.check_kind(target.resource, parsed.config.value)
    if value.get("metadata", {}).get("managedFields") is not None:
        raise statuses.bad_request("metadata.managedFields must be nil")
    if parsed.problems:
        listed = parsed.problems[0] if len(parsed.problems) == 1 else "errors:\n  " + "\n  ".join(parsed.problems)
        raise _failed(f"failed to create typed patch object ({_place(target, value)}): {listed}")
    record = cluster.get(target.resource, (target.namespace, target.name))
    if record is None:
        return _create(cluster, target, parsed.config, options=options)
    return _change(cluster, target, parsed.config, options=options, record=record)


def _parsed(kind: Type, body: bytes) -> _Parsed:
    value = bodies.decode(body)
    if not isinstance(value, dict) or not isinstance(value.get("metadata", {}), dict):
        return _Parsed(Configuration(value, {}, {}), ())  # refused for what it is before anybody looks further
    reader = validation.Reader(typed=True)
    reader.read(kind, value)
    problems = [f"{path}: field not declared in schema" for path in reader.unknown] + reader.wrong
    config = Configuration(value, {}, {}) if problems else ownership.configuration(kind, value)
    return _Parsed(config, tuple(problems))


_known = functools.lru_cache(maxsize=KNOWN_MAX)(_parsed)


def _place(target: Target, value: Object) -> str:
    resource, meta = target.resource, value.get("metadata", {})
    version = f"{resource.group}/{resource.version}"
    return f"{meta.get('namespace', '')}/{meta.get('name', '')}; {version}, Kind={resource.kind}"


def _failed(message: str) -> statuses.Failure:
    return statuses.Failure(500, "", message)  # the real server gives these no reason


def _decoded(target: Target, value: Object, config: Object) -> Decoded:
    try:
        return admission.decode(target.resource, value, applied=True)
    except admission.Undecodable as error:
        resource = target.resource
        place, kind = _place(target, config), f"{resource.group}/{resource.version}, Kind={resource.kind}"
        why = f"unable to convert unstructured object to {kind}: error decoding from json: {error}"
        raise _failed(f"failed to convert new object ({place}) to proper version: {why}") from error


def _create(cluster: Cluster, target: Target, config: Configuration, *, options: Options) -> Written:
    if target.subresource:
        raise statuses.not_found(target.resource, target.name)
    meta = config.value.get("metadata", {})
    admission.check_place(target, config.value)
    if meta.get("uid"):
        why = f"uid mismatch: the provided object specified uid {meta['uid']}, and no existing object was found"
        raise statuses.conflict(target.resource, target.name, why)
    writer = commits.writer(cluster, target, options)
    value = {**config.value, "metadata": {**meta, "name": target.name}}
    config = msgspec.structs.replace(config, value=value)
    applied = ownership.apply(target.resource.type, {}, config, entries=(), writer=writer)
    decoded = _decoded(target, commits.named(cluster, target, applied.value), config.value)
    return commits.create(cluster, target, decoded, entries=applied.entries, dry_run=options.dry_run)


def _change(cluster: Cluster, target: Target, config: Configuration, *, options: Options, record: Record) -> Written:
    live, entries = commits.opened(record)
    writer, kind = commits.writer(cluster, target, options), target.resource.type
    if not entries:
        first = msgspec.structs.replace(writer, manager=ownership.BEFORE_FIRST_APPLY)
        entries = ownership.update(kind, commits.nothing(target.resource), live, entries=(), writer=first)
    applied = ownership.apply(kind, live, _without_identity(config), entries=entries, writer=writer)
    admission.check_place(target, config.value)
    _check_identity(target, live, config.value.get("metadata", {}))
    if not applied.changed and commits.same_owners(applied.entries, entries):
        return Written(record.raw)
    decoded = _decoded(target, applied.value, config.value) if applied.changed else Decoded(live, [], [])
    change = Change(live, decoded, entries, applied.entries)
    return commits.replace(cluster, target, change, dry_run=options.dry_run)


def _check_identity(target: Target, live: Object, given: Object) -> None:
    """Refuse a configuration for another object of the name; an apply finds that out in validation."""
    if given.get("uid") and given["uid"] != live["metadata"]["uid"]:
        message = f'Invalid value: "{given["uid"]}": field is immutable'
        raise statuses.invalid(target.resource, target.name, [("FieldValueInvalid", message, "metadata.uid")])
    commits.check_identity(target, live, given)


_IDENTITY = frozenset(("uid", "resourceVersion", "creationTimestamp", "generation", "selfLink"))


def _without_identity(config: Configuration) -> Configuration:
    """Leave out what a configuration says to be sure of its object: it is compared, not applied."""
    meta = config.value.get("metadata", {})
    if _IDENTITY.isdisjoint(meta):
        return config
    kept = {name: part for name, part in meta.items() if name not in _IDENTITY}
    return msgspec.structs.replace(config, value={**config.value, "metadata": kept})
