"""Chart archives, honest and hostile."""

import gzip
import io
import tarfile

import hypothesis
import pytest
from hypothesis import strategies

from controller.render import archives, errors, limits


def _archive(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


def _file(path: str, content: bytes = b"x") -> tuple[tarfile.TarInfo, bytes]:
    return tarfile.TarInfo(path), content


def _special(path: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(path)
    member.type = kind
    member.linkname = target
    return member, b""


def test_files_come_without_the_charts_directory() -> None:
    data = _archive(_special("web", tarfile.DIRTYPE), _file("web/Chart.yaml", b"a"), _file("./web/t/b.yaml", b"b"))

    assert archives.unpack("web.tgz", data) == {"Chart.yaml": b"a", "t/b.yaml": b"b"}


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (_file("../x"), "is no path below the chart's directory"),
        (_file("web/../../x"), "is no path below"),
        (_file("/web/x"), "is no path below"),
        (_file("web"), "is no path below"),
        (_file("web/a\\b"), "is no path below"),
        (_special("web/x", tarfile.SYMTYPE, "/etc/passwd"), "is neither a file nor a directory"),
        (_special("web/x", tarfile.LNKTYPE, "web/y"), "is neither a file nor a directory"),
        (_special("web/x", tarfile.CHRTYPE), "is neither a file nor a directory"),
        (_special("web/x", tarfile.FIFOTYPE), "is neither a file nor a directory"),
    ],
)
def test_what_is_no_file_of_the_chart_is_refused(member: tuple[tarfile.TarInfo, bytes], reason: str) -> None:
    with pytest.raises(errors.UnreadableError, match=f"^web.tgz: .* {reason}"):
        archives.unpack("web.tgz", _archive(member))


def test_a_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(bytes(limits.CHART_UNPACKED_BYTES_MAX + 1024))

    with pytest.raises(errors.UnreadableError, match=r"^web\.tgz: unpacks to more than \d+ bytes$"):
        archives.unpack("web.tgz", bomb)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "cut short"),
        (b"plain", "not compressed by gzip"),
        (_archive(_file("web/a"))[:40], "cut short"),
        (gzip.compress(b"no tar at all" * 100), "not a tar archive"),
    ],
)
def test_what_is_no_archive_is_named(data: bytes, reason: str) -> None:
    with pytest.raises(errors.UnreadableError, match=f"web.tgz: {reason}"):
        archives.unpack("web.tgz", data)


@hypothesis.given(
    strategies.lists(strategies.tuples(strategies.integers(0, 1535), strategies.integers(0, 255)), max_size=8)
)
def test_any_bytes_give_files_or_one_error(changes: list[tuple[int, int]]) -> None:
    plain = bytearray(gzip.decompress(_archive(_file("web/a", b"a" * 300), _file("web/b"))))
    for place, value in changes:
        plain[place] = value

    try:
        files = archives.unpack("web.tgz", gzip.compress(bytes(plain)))
    except errors.UnreadableError:
        return
    assert all(not path.startswith("/") for path in files)


def test_a_file_with_holes_is_not_filled_up() -> None:
    member, _ = _file("web/x")
    member.pax_headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.name": "web/x",
        "GNU.sparse.size": str(1 << 31),
        "GNU.sparse.map": f"{(1 << 31) - 1},1",
    }
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))

    with pytest.raises(errors.UnreadableError, match=r"^web\.tgz: 'web/x' has holes, or no size$"):
        archives.unpack("web.tgz", target.getvalue())


def test_a_size_below_zero_leads_nowhere() -> None:
    header = bytearray(tarfile.TarInfo("web/x").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 10 + (2**16 - 512).to_bytes(2, "big")  # base 256: -512, the header's own length
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)

    with pytest.raises(errors.UnreadableError, match=r"^web\.tgz: "):
        archives.unpack("web.tgz", gzip.compress(bytes(header) + bytes(1024)))
