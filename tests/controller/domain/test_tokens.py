"""Tokens under random commands: what is over lets nobody in, and there are never too many."""

import datetime

import pytest

from controller.domain import rejections, tokens
from protocol import ids
from protocol.events import tokens as events
from protocol.events.tokens import Scope

AT = datetime.datetime(2026, 11, 5, 12, 0, tzinfo=datetime.UTC)
LATER = AT + datetime.timedelta(hours=1)


def token(name: str, *, expires_at: datetime.datetime | None = None) -> tokens.Token:
    return tokens.Token(name=name, scope=Scope.READ, digest=tokens.digest(name), expires_at=expires_at)


def folded(state: tokens.Tokens, *decided: events.Event) -> tokens.Tokens:
    for event in decided:
        state = tokens.evolve(state, event)
    return state


def issued(*some: tokens.Token, at: datetime.datetime = AT) -> tokens.Tokens:
    state: tokens.Tokens = {}
    for one in some:
        state = folded(state, *tokens.issue(state, one, at))
    return state


@pytest.mark.parametrize(
    ("held", "needed", "is_enough"),
    [
        (Scope.READ, Scope.READ, True),
        (Scope.READ, Scope.OPERATE, False),
        (Scope.OPERATE, Scope.READ, True),
        (Scope.OPERATE, Scope.ADMIN, False),
        (Scope.ADMIN, Scope.OPERATE, True),
    ],
)
def test_a_scope_holds_those_before_it(held: Scope, needed: Scope, is_enough: bool) -> None:
    assert tokens.covers(held, needed) is is_enough


def test_a_token_is_found_by_its_digest_until_its_end() -> None:
    one, other = token("one"), token("two", expires_at=LATER)
    state = issued(one, other)

    assert tokens.find(state, one.digest, AT) == one
    assert tokens.find(state, other.digest, AT) == other
    assert tokens.find(state, other.digest, LATER) is None
    assert tokens.find(state, tokens.digest("three"), AT) is None


def test_a_token_that_is_past_its_end_is_told_from_one_that_never_was() -> None:
    one, other = token("one"), token("two", expires_at=LATER)
    state = issued(one, other)

    assert tokens.find_over(state, other.digest, LATER) == other
    assert tokens.find_over(state, other.digest, AT) is None
    assert tokens.find_over(state, one.digest, LATER) is None
    assert tokens.find_over(state, tokens.digest("three"), LATER) is None


def test_that_a_token_is_past_its_end_is_said_once_and_holds_whatever_the_clock_says() -> None:
    state = issued(token("one"), token("two", expires_at=LATER))
    assert tokens.expired(state, AT) == ()
    decided = tokens.expired(state, LATER)
    after = folded(state, *decided)

    assert decided == (events.TokenExpired(name="two"),)
    assert tokens.expired(after, LATER) == ()
    assert tokens.find(after, tokens.digest("two"), AT) is None
    assert folded(after, *tokens.issue(after, token("two"), AT))["two"].is_expired is False


def test_any_characters_have_a_digest() -> None:
    assert tokens.digest("\udcff") != tokens.digest("\udcfe")


def test_a_revoked_token_is_forgotten() -> None:
    state = issued(token("one"), token("two"))

    assert list(folded(state, *tokens.revoke(state, "one", "by command"))) == ["two"]


def test_what_is_not_there_cannot_be_revoked() -> None:
    with pytest.raises(rejections.NotFound):
        tokens.revoke({}, "one", "by command")


def test_a_name_has_one_token_at_a_time() -> None:
    with pytest.raises(rejections.AlreadyExists):
        tokens.issue(issued(token("one")), token("one"), AT)


def test_a_token_past_its_end_makes_room_for_another_of_its_name() -> None:
    state = issued(token("one", expires_at=LATER), token("two"))
    decided = tokens.issue(state, token("one"), LATER)

    assert [type(event) for event in decided] == [events.TokenRevoked, events.TokenIssued]
    assert folded(state, *decided)["one"].expires_at is None


@pytest.mark.parametrize("name", sorted(tokens.RESERVED))
def test_names_of_others_in_the_log_are_taken(name: str) -> None:
    with pytest.raises(rejections.Invalid):
        tokens.issue({}, token(name), AT)


def test_a_token_needs_a_name_that_can_stand_in_a_subject() -> None:
    with pytest.raises(ids.InvalidNameError):
        tokens.issue({}, token("a.b"), AT)


def test_a_token_that_is_over_at_once_is_refused() -> None:
    with pytest.raises(rejections.Invalid):
        tokens.issue({}, token("one", expires_at=AT), AT)


def test_there_are_never_too_many() -> None:
    state = issued(*(token(f"t-{number}") for number in range(tokens.TOKENS_MAX)))

    with pytest.raises(rejections.Invalid):
        tokens.issue(state, token("one"), AT)
