"""Whether TLS is spoken, for whom a certificate stands, and that it is taken up while the hub runs."""

import datetime
import pathlib
import socket

import pytest

from controller import authority, keys, tls

EVERYWHERE = "0.0.0.0"  # noqa: S104 - nothing listens there

AT = datetime.datetime.now(datetime.UTC)


@pytest.mark.parametrize(
    ("mode", "host", "insecure", "wanted"),
    [
        ("auto", "127.0.0.1", False, False),
        ("auto", "::1", False, False),
        ("auto", "localhost", False, False),
        ("auto", EVERYWHERE, False, True),
        ("auto", "10.1.2.3", False, True),
        ("auto", "hub.example.com", False, True),
        ("auto", "10.1.2.3", True, False),
        ("on", "127.0.0.1", False, True),
        ("on", "10.1.2.3", True, True),
        ("off", "127.0.0.1", False, False),
        ("off", "10.1.2.3", True, False),
    ],
)
def test_tls_is_spoken_beyond_the_machine_unless_that_is_said(
    *, mode: str, host: str, insecure: bool, wanted: bool
) -> None:
    assert tls.is_wanted(tls.Choice(mode, insecure), host) is wanted


@pytest.mark.parametrize("host", [EVERYWHERE, "10.1.2.3", "hub.example.com"])
def test_plain_text_never_leaves_the_machine_unsaid(host: str) -> None:
    with pytest.raises(tls.TlsError, match="--insecure-plain"):
        tls.is_wanted(tls.Choice("off"), host)


@pytest.mark.parametrize("choice", [tls.Choice("perhaps"), tls.Choice(certificate="c"), tls.Choice(key="k")])
def test_what_makes_no_sense_is_refused(choice: tls.Choice) -> None:
    with pytest.raises(tls.TlsError):
        tls.is_wanted(choice, "127.0.0.1")


def test_a_certificate_stands_for_the_names_by_which_the_hub_is_reached() -> None:
    names = tls.hosts("127.0.0.1", EVERYWHERE, "https://hub.example.com:8420", "tls://[::1]:4222")

    assert names == tuple(
        dict.fromkeys(["127.0.0.1", socket.getfqdn(), "hub.example.com", "::1", socket.gethostname()])
    )
    assert tls.url("https", "::1", 1) == "https://[::1]:1"
    assert [tls.at_home(one) for one in (EVERYWHERE, "::", "hub")] == ["127.0.0.1", "::1", "hub"]


OURS = tls.Choice()


class Renewals:
    def __init__(self, directory: pathlib.Path, choice: tls.Choice = OURS) -> None:
        self.now = AT
        self.count = 0
        keys.KeyRing(directory / keys.DIRECTORY)
        self.certificates = tls.Certificates(choice, directory, ("localhost",), clock=lambda: self.now)

    def refresh(self) -> None:
        self.certificates.refresh(self._renewed)

    def _renewed(self) -> None:
        self.count += 1


def test_our_own_certificate_is_renewed_in_time_and_told_once(tmp_path: pathlib.Path) -> None:
    rig = Renewals(tmp_path)
    rig.refresh()
    assert rig.count == 0
    rig.now += authority.SERVER_LIFE - authority.RENEW_BEFORE
    rig.refresh()
    rig.refresh()

    assert rig.count == 1
    assert authority.ends_at(rig.certificates.files) > rig.now + authority.RENEW_BEFORE


def test_somebody_elses_is_taken_up_where_it_lies_and_a_bad_one_left(tmp_path: pathlib.Path) -> None:
    first, second = Renewals(tmp_path / "first"), Renewals(tmp_path / "second")
    files = first.certificates.files
    choice = tls.Choice("on", False, str(files.certificate), str(files.key), str(files.authority))
    rig = Renewals(tmp_path / "third", choice)
    assert rig.certificates.files.pin == first.certificates.files.pin

    kept = files.certificate.read_bytes()
    files.certificate.write_text("damaged")
    rig.refresh()
    assert rig.count == 0
    files.certificate.write_bytes(kept)
    for ours, theirs in (
        (files.key, second.certificates.files.key),
        (files.certificate, second.certificates.files.certificate),
    ):
        ours.write_bytes(theirs.read_bytes())
    rig.refresh()
    assert rig.count == 1
