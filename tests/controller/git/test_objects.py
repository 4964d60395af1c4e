"""Trees as they stand in Git, odd ones included: nothing is dropped, nothing is followed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.git import errors, objects

OID = bytes(range(20))


def tree(*rows: tuple[bytes, bytes]) -> bytes:
    return b"".join(mode + b" " + name + b"\0" + OID for mode, name in rows)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        (b"100644", objects.Kind.FILE),
        (b"100755", objects.Kind.FILE),
        (b"100664", objects.Kind.FILE),
        (b"40000", objects.Kind.DIRECTORY),
        (b"120000", objects.Kind.LINK),
        (b"160000", objects.Kind.SUBMODULE),
    ],
)
def test_modes_say_what_a_name_stands_for(mode: bytes, kind: objects.Kind) -> None:
    assert objects.parse_tree("t", tree((mode, b"a"))) == (objects.TreeEntry("a", kind, OID.hex()),)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [(b"caf\xe9", "caf\\xe9"), (b"a\nb", "a\\x0ab"), (b"a/b", "a\\x2fb"), (b"..", ".."), (b".", "."), (b"", "")],
)
def test_names_that_are_no_file_names_are_marked_and_printable(raw: bytes, shown: str) -> None:
    (entry,) = objects.parse_tree("t", tree((b"100644", raw)))

    assert (entry.name, entry.odd) == (shown, True)


@pytest.mark.parametrize(
    "data", [b"x", b"100644 a", b"100644 a\0short", b"777 a\0" + OID, b"100644 a\0" + OID + b"rest"]
)
def test_bytes_that_are_no_tree_are_an_error(data: bytes) -> None:
    with pytest.raises(errors.Malformed):
        objects.parse_tree("t", data)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_tree_or_one_documented_error(data: bytes) -> None:
    try:
        found = objects.parse_tree("t", data)
    except errors.Malformed:
        return
    assert sum(len(entry.oid) for entry in found) <= 2 * len(data)
