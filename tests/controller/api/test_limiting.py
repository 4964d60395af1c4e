"""How often strangers may ask, and the nonces that they sign: held to their bounds, by a clock that is given."""

from controller.api import limiting, nonces


class Clock:
    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


def test_an_address_may_ask_at_once_and_then_at_its_rate() -> None:
    clock = Clock()
    limiter = limiting.Limiter(clock, each=(2.0, 3.0), total=(100.0, 100.0))

    assert [limiter.take("a") for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert limiter.take("b") == 0.0
    clock.s = 0.5
    assert [limiter.take("a"), limiter.take("a")] == [0.0, 0.5]


def test_whoever_has_a_network_of_ipv6_counts_once() -> None:
    limiter = limiting.Limiter(Clock(), each=(1.0, 2.0), total=(100.0, 100.0))

    asked = [limiter.take(f"2001:db8:0:1::{number:x}") for number in range(1, 4)]

    assert asked == [0.0, 0.0, 1.0]
    assert limiter.take("2001:db8:0:2::1") == 0.0
    assert [limiter.take(f"::ffff:192.0.2.{number}") for number in range(1, 5)] == [0.0] * 4
    assert limiter.take("fe80::1%eth0") == 0.0


def test_all_addresses_together_have_a_rate_too() -> None:
    limiter = limiting.Limiter(Clock(), each=(1.0, 10.0), total=(1.0, 3.0))

    assert [limiter.take(f"address-{number}") for number in range(4)] == [0.0, 0.0, 0.0, 1.0]


def test_what_is_remembered_of_addresses_is_bounded() -> None:
    clock = Clock()
    limiter = limiting.Limiter(clock, each=(1.0, 1.0), total=(1e6, 1e6))
    limiter.take("first")
    for number in range(limiting.ADDRESSES_MAX):
        limiter.take(str(number))

    assert limiter.take("first") == 0.0, "it was forgotten"
    assert limiter.take(str(limiting.ADDRESSES_MAX - 1)) > 0


def test_a_nonce_is_good_for_a_while_and_only_where_it_was_made() -> None:
    here, there = nonces.Nonces(b"here"), nonces.Nonces(b"there")
    nonce = here.new(100.0)

    assert here.is_good(nonce, 100.0 + nonces.LIFETIME_S - 1)
    assert not here.is_good(nonce, 100.0 + nonces.LIFETIME_S)
    assert not there.is_good(nonce, 100.0)
    later = f"9{nonce}"
    assert [here.is_good(forged, 100.0) for forged in (later, "", "x", "-", "1.0-", "\udcff-\udcff")] == [False] * 6
