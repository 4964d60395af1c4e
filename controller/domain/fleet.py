"""The hub's own facts: its epoch and key, the cluster groups and the rollout policies."""

from typing import TypeVar, assert_never

import msgspec

from controller.domain import rejections, stages
from protocol import ids, specs
from protocol.events import fleet as events

T = TypeVar("T")


class Declared(msgspec.Struct, frozen=True, rename="camel"):
    """Who manages a declaration, and whether it vanished from the file."""

    managed_by: specs.ManagedBy
    suspended: str = ""


class Fleet(msgspec.Struct, frozen=True, rename="camel"):
    """What concerns all clusters."""

    epoch: int = 0
    """0: the log is empty."""
    epoch_seen: int = 0
    """The highest that any cluster showed."""
    recovering: str = ""
    """Why nothing is published; empty: all is well."""
    signing_key: str = ""
    groups: dict[str, specs.GroupSpec] = {}
    policies: dict[str, specs.RolloutPolicy] = {}
    declared: dict[str, Declared] = {}
    """By `group/NAME` and `policy/NAME`."""


def initialize(state: Fleet, signing_key: str) -> tuple[events.Event, ...]:
    """Decide the first event of a log."""
    if state.epoch:
        return ()
    return (events.HubInitialized(epoch=1, signing_key=signing_key),)


def enter_recovery(state: Fleet, event: events.RecoveryEntered) -> tuple[events.Event, ...]:
    """Decide to publish nothing until an operator takes the hub back into service."""
    if state.recovering and event.epoch <= state.epoch_seen:
        return ()
    return (event,)


def recover(state: Fleet, reason: str, *, seen: int = 0) -> tuple[events.Event, ...]:
    """Decide to take the hub back into service above every epoch that was seen; nothing where all is well. `seen`: the
    highest that is known beside the log."""
    if not state.recovering:
        return ()
    return (events.HubRecovered(epoch=max(state.epoch, state.epoch_seen, seen) + 1, reason=reason),)


def declare_group(state: Fleet, name: str, spec: specs.GroupSpec, *, by: specs.ManagedBy) -> tuple[events.Event, ...]:
    """Decide what a group means."""
    ids.dns_label(name, "cluster group")
    if spec.selector.groups:
        raise rejections.Invalid(f"cluster group {name!r}: a group's selector cannot name groups")
    if state.groups.get(name) == spec and _same_owner(state, f"group/{name}", by):
        return ()
    _may_change(state, f"group/{name}", by)
    return (events.GroupDeclared(name=name, spec=spec, managed_by=by),)


def declare_policy(
    state: Fleet, name: str, spec: specs.RolloutPolicy, *, by: specs.ManagedBy
) -> tuple[events.Event, ...]:
    """Decide what a rollout policy says; refuse one that could never run."""
    ids.dns_label(name, "rollout policy")
    names = [stage.name for stage in spec.stages]
    if len(set(names)) < len(names) or set(names) & stages.RESERVED:
        taken = ", ".join(sorted(stages.RESERVED))
        raise rejections.Invalid(f"rollout policy {name!r}: stage names must differ, and these are taken: {taken}")
    if any(stage.limit < 0 for stage in spec.stages):
        raise rejections.Invalid(f"rollout policy {name!r}: the limit of a stage cannot be negative")
    for limit in (spec.max_concurrency, *(stage.max_concurrency for stage in spec.stages)):
        stages.concurrency(limit, 1)
    if spec.max_failures < 0 or spec.progress_deadline_s <= 0:
        raise rejections.Invalid(f"rollout policy {name!r}: maxFailures and progressDeadlineS cannot be negative")
    if state.policies.get(name) == spec and _same_owner(state, f"policy/{name}", by):
        return ()
    _may_change(state, f"policy/{name}", by)
    return (events.PolicyDeclared(name=name, spec=spec, managed_by=by),)


def vanished(state: Fleet, declared: frozenset[str], reason: str) -> tuple[events.Event, ...]:
    """Decide about what the file no longer declares: it is suspended, and its last meaning stays."""
    gone = [
        key
        for key, entry in sorted(state.declared.items())
        if entry.managed_by is specs.ManagedBy.FILE and not entry.suspended and key not in declared
    ]
    return tuple(
        events.GroupSuspended(name=key.removeprefix("group/"), reason=reason)
        if key.startswith("group/")
        else events.PolicySuspended(name=key.removeprefix("policy/"), reason=reason)
        for key in gone
    )


def policy(state: Fleet, name: str) -> specs.RolloutPolicy:
    """The policy of this name; the built-in one where nothing was declared."""
    return state.policies.get(name, specs.DEFAULT_POLICY)


def is_policy_declared(state: Fleet, name: str) -> bool:
    """Did an operator say how the sources of this policy roll out?"""
    return name in state.policies


def _same_owner(state: Fleet, key: str, by: specs.ManagedBy) -> bool:
    entry = state.declared.get(key)
    return entry is not None and entry.managed_by is by and not entry.suspended


def _may_change(state: Fleet, key: str, by: specs.ManagedBy) -> None:
    entry = state.declared.get(key)
    if (
        entry is not None
        and not entry.suspended
        and entry.managed_by is specs.ManagedBy.FILE
        and by is not entry.managed_by
    ):
        raise rejections.Managed(f"{key}: declared by the configuration file; change it there")


def evolve(state: Fleet, event: events.Event) -> Fleet:
    """The fleet after one more fact."""
    change = msgspec.structs.replace
    match event:
        case events.HubInitialized():
            return change(state, epoch=event.epoch, signing_key=event.signing_key)
        case events.HubRecovered():
            return change(state, epoch=event.epoch, recovering="")
        case events.RecoveryEntered():
            return change(state, recovering=event.reason, epoch_seen=max(state.epoch_seen, event.epoch))
        case events.GroupDeclared():
            declared = {**state.declared, f"group/{event.name}": Declared(managed_by=event.managed_by)}
            return change(state, groups={**state.groups, event.name: event.spec}, declared=declared)
        case events.PolicyDeclared():
            declared = {**state.declared, f"policy/{event.name}": Declared(managed_by=event.managed_by)}
            return change(state, policies={**state.policies, event.name: event.spec}, declared=declared)
        case events.GroupSuspended():
            return _suspended(state, f"group/{event.name}", event.reason)
        case events.PolicySuspended():
            return _suspended(state, f"policy/{event.name}", event.reason)
        case events.GroupRemoved():
            declared = _without(state.declared, f"group/{event.name}")
            return change(state, groups=_without(state.groups, event.name), declared=declared)
        case events.PolicyRemoved():
            declared = _without(state.declared, f"policy/{event.name}")
            return change(state, policies=_without(state.policies, event.name), declared=declared)
        case _:
            assert_never(event)


def _suspended(state: Fleet, key: str, reason: str) -> Fleet:
    entry = msgspec.structs.replace(state.declared[key], suspended=reason)
    return msgspec.structs.replace(state, declared={**state.declared, key: entry})


def _without(entries: dict[str, T], key: str) -> dict[str, T]:
    return {name: value for name, value in entries.items() if name != key}
