"""A source under random commands: whatever goes wrong, it keeps what it said last."""

import functools
from collections.abc import Callable

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from controller.domain import catalogs, rejections, sources
from protocol import ids, selectors, specs
from protocol.canonical import NO_DIGEST
from protocol.events import sources as events
from tests.controller.domain import examples
from tests.controller.domain.lives import Life

FILE, COMMAND = specs.ManagedBy.FILE, specs.ManagedBy.COMMAND
COMMITS = ["a" * 40, "b" * 40, "c" * 40]

owners = st.sampled_from(specs.ManagedBy)
commits = st.sampled_from(COMMITS)
WAITING_MOVES = [catalogs.Move.BACKWARD, catalogs.Move.REWRITTEN, catalogs.Move.UNRELATED]
spec = st.builds(
    specs.SourceSpec,
    url=st.sampled_from(["https://git.example/shop.git", "https://git.example/new.git"]),
    targets=st.sampled_from([(), (selectors.Target(match_labels={"env": "prod"}),)]),
    all_clusters=st.booleans(),
    interval_s=st.sampled_from([0.5, 1.0, 60.0]),
)


def resolved(commit: str, catalog: str = "", **changes: object) -> events.RevisionResolved:
    event = events.RevisionResolved(
        name=examples.SHOP,
        revision=events.Revision(ref="main", commit=commit, tree="t" * 40),
        catalog=examples.digest(catalog or commit),
        previous=NO_DIGEST,
        renderer="raw 1",
        bundles=2,
        objects=3,
    )
    return msgspec.structs.replace(event, **changes)


def declared(*, by: specs.ManagedBy = COMMAND, **changes: object) -> sources.Source:
    source = sources.Source(name=examples.SHOP, spec=examples.EVERYWHERE, managed_by=by)
    return msgspec.structs.replace(source, **changes)


def folded(source: sources.Source, *found: events.Event) -> sources.Source:
    return functools.reduce(sources.evolve, found, source)


class Shaken(RuleBasedStateMachine):
    """One source, from before it was declared."""

    def __init__(self) -> None:
        super().__init__()
        self.life: Life[sources.Source | None, events.Event] = Life(None, sources.evolve)
        self.said: sources.Source | None = None
        """As it was when a commit last counted, or when it was declared anew."""

    @property
    def source(self) -> sources.Source | None:
        return self.life.state

    @rule(name=st.sampled_from(["shop", "shop", "shop", "Shop!"]), spec=spec, by=owners)
    def declare(self, name: str, spec: specs.SourceSpec, by: specs.ManagedBy) -> None:
        before = self.source
        taken = self.life.take(lambda state: sources.declare(state, name, spec, by=by))
        if taken is None:
            return
        assert self.source is not None
        assert (self.source.spec, self.source.managed_by, self.source.removed) == (spec, by, False)
        assert spec.targets or spec.all_clusters, "it is for no cluster"
        assert spec.interval_s >= sources.INTERVAL_S_MIN
        if before is None or before.removed:
            self.said = self.source
        elif before.managed_by is FILE and not before.suspended:
            assert by is FILE or not taken, "a command changed what the file declares"
        if by is FILE:
            assert not self.source.suspended, "it stands in the file again"

    @rule(reason=st.sampled_from(["by command", "not in fleet/ any more", ""]), by=owners)
    def suspend(self, reason: str, by: specs.ManagedBy) -> None:
        taken = self._on(lambda state: sources.suspend(state, reason, by=by), by)
        if taken:
            assert self.source is not None
            assert self.source.suspended == reason != ""

    @rule()
    def resume(self) -> None:
        self._on(sources.resume)
        assert self.source is None or self.source.removed or not self.source.suspended

    @rule(prune=st.booleans(), by=owners)
    def remove(self, prune: bool, by: specs.ManagedBy) -> None:
        taken = self._on(lambda state: sources.remove(state, prune=prune, by=by), by)
        if taken:
            assert self.source is not None
            assert (self.source.removed, self.source.prune_on_removal) == (True, prune)

    @rule(commit=commits, catalog=st.sampled_from(["", "rendered anew"]), problems=st.booleans())
    def resolve(self, commit: str, catalog: str, problems: bool) -> None:
        spoiled = (events.Problem(path="x.yaml", reason="not YAML"),) if problems else ()
        event = resolved(commit, catalog, problems=spoiled, problem_count=len(spoiled))
        taken = self._on(lambda state: sources.resolved(state, event))
        if taken is None:
            return
        assert self.source is not None
        assert (self.source.revision, self.source.catalog) == (event.revision, event.catalog)
        assert (self.source.failure, self.source.rollback_seen) == (None, "")
        self.said = self.source

    @rule()
    def answer(self) -> None:
        self._on(sources.unchanged)
        assert self.source is None or (self.source.failure, self.source.rollback_seen) == (None, "")

    @rule(kind=st.sampled_from(events.FailureKind), reason=st.sampled_from(["no route", "refused"]))
    def fail(self, kind: events.FailureKind, reason: str) -> None:
        self._on(lambda state: sources.failed(state, kind, reason))
        assert self.source is None or (self.source.failure, self.source.failure_reason) == (kind, reason)

    @rule(commit=commits, move=st.sampled_from(WAITING_MOVES))
    def move_away(self, commit: str, move: catalogs.Move) -> None:
        self._on(lambda state: sources.moved_away(state, commit, move))
        if self.source is not None:
            unrelated = move is catalogs.Move.UNRELATED
            seen = self.source.unrelated_seen if unrelated else self.source.rollback_seen
            assert (seen, self.source.failure) == (commit, None), "the remote answers, and this is what it says"

    @rule(commit=commits)
    def accept(self, commit: str) -> None:
        before = self.source
        if self._on(lambda state: sources.accept(state, commit)):
            assert before is not None
            assert before.unrelated_seen == commit, "accepted what nobody saw"

    def _on(
        self, decide: Callable[[sources.Source], tuple[events.Event, ...]], by: specs.ManagedBy = FILE
    ) -> tuple[events.Event, ...] | None:
        before = self.source
        if before is None:
            return None
        taken = self.life.take(decide)  # type: ignore[arg-type]
        if taken and before.managed_by is FILE and not before.suspended:
            assert by is FILE, "a command changed what the file declares"
        return taken

    @invariant()
    def what_it_said_last_stays(self) -> None:
        if self.source is None or self.said is None:
            return
        kept = ("revision", "catalog", "bundles", "objects", "problems", "problem_count", "warnings")
        assert [getattr(self.source, one) for one in kept] == [getattr(self.said, one) for one in kept]

    def teardown(self) -> None:
        self.life.check_replay()


TestShaken = Shaken.TestCase
TestShaken.settings = hypothesis.settings(max_examples=200, stateful_step_count=40)


def test_a_source_is_found_until_it_is_removed() -> None:
    known = {examples.SHOP: declared(), examples.OTHER: declared(removed=True)}

    assert sources.get(known, "shop") == declared()
    for missing in ("other", "nobody"):
        with pytest.raises(rejections.NotFound, match=missing):
            sources.get(known, missing)


def test_the_same_commit_again_ends_a_failure_and_says_nothing_else() -> None:
    source = folded(declared(), resolved("a" * 40), *sources.failed(declared(), events.FailureKind.CORRUPT, "bad pack"))

    assert sources.resolved(source, resolved("a" * 40)) == (events.ResolveRecovered(name=examples.SHOP),)
    assert sources.resolved(declared(), resolved("a" * 40)) == (resolved("a" * 40),)


@pytest.mark.parametrize("by", specs.ManagedBy)
def test_a_source_that_was_removed_is_declared_anew_with_nothing_of_the_old_one(by: specs.ManagedBy) -> None:
    gone = folded(declared(by=FILE), resolved("a" * 40), events.SourceRemoved(name=examples.SHOP, prune=True))

    anew = folded(gone, *sources.declare(gone, "shop", examples.EVERYWHERE, by=by))

    assert anew == declared(by=by)


def test_what_vanished_from_the_file_is_taken_over_by_a_command_and_stays_suspended() -> None:
    vanished = declared(by=FILE, suspended="not in fleet/ any more")

    assert sources.declare(vanished, "shop", vanished.spec, by=COMMAND) == (
        events.SourceDeclared(name=ids.SourceName("shop"), spec=vanished.spec, managed_by=COMMAND),
    )


def test_an_event_of_a_source_that_was_never_declared_is_a_mistake_of_ours() -> None:
    with pytest.raises(AssertionError, match="SourceResumed before SourceDeclared"):
        sources.evolve(None, events.SourceResumed(name=examples.SHOP))
