"""An aggregate on its way through random commands, held to what every decider promises.

A decision that was folded in is not made again; a command that is refused changes nothing; and the events, stored and
read, give the same state byte for byte.
"""

from collections.abc import Callable
from typing import Generic, TypeVar, cast

from controller.domain import rejections
from protocol import canonical, ids
from protocol.events import log
from tests.controller.domain import examples

S = TypeVar("S")
E = TypeVar("E")


class Life(Generic[S, E]):
    """What became of one aggregate."""

    def __init__(self, initial: S, evolve: Callable[[S, E], S]) -> None:
        self._initial = initial
        self._evolve = evolve
        self.state = initial
        self.events: list[E] = []

    def take(self, decide: Callable[[S], tuple[E, ...]]) -> tuple[E, ...] | None:
        """Decide, fold, and decide again; None: the command was refused."""
        before = canonical.encode(self.state)
        try:
            decided = decide(self.state)
        except (rejections.Rejection, ids.InvalidNameError):
            assert canonical.encode(self.state) == before, "a refused command changed something"
            return None
        for event in decided:
            self.state = self._evolve(self.state, event)
            self.events.append(event)
        assert decide(self.state) == (), "the same command twice"
        return decided

    def check_replay(self) -> None:
        """The stored events give the same state."""
        state = self._initial
        for event in examples.through_the_wire(cast(list[log.Event], self.events)):
            state = self._evolve(state, cast(E, event))
        assert canonical.encode(state) == canonical.encode(self.state)
