"""Chart archives (`.tgz`) from untrusted hands, unpacked in memory with every limit checked before it can hurt."""

import io
import tarfile
import zlib

from controller.render import errors, limits

_GZIP = 16 + zlib.MAX_WBITS


def unpack(name: str, data: bytes) -> dict[str, bytes]:
    """The files of an archive, without the one directory that all of them lie in; raise UnreadableError for what is no
    such archive, is too large, or holds anything but files and directories. `name` is for messages."""
    plain = _decompressed(name, data)
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as archive:
            for member in archive:
                if member.isdir():
                    continue
                if not member.isreg():
                    raise errors.UnreadableError(f"{name}: {member.name[:200]!r} is neither a file nor a directory")
                if member.issparse() or member.size < 0:
                    # Gigabytes that a few bytes promise; and a size below zero leads back to the same member for ever.
                    raise errors.UnreadableError(f"{name}: {member.name[:200]!r} has holes, or no size")
                content = archive.extractfile(member)
                assert content is not None, "a regular file has a content"
                files[_path(name, member.name)] = content.read()
                if len(files) > limits.CHILD_INPUT_FILES_MAX:
                    raise errors.UnreadableError(f"{name}: more than {limits.CHILD_INPUT_FILES_MAX} files")
    except (tarfile.TarError, ValueError, EOFError, OSError, OverflowError, RecursionError) as error:
        raise errors.UnreadableError(f"{name}: not a tar archive") from error
    return files


def _decompressed(name: str, data: bytes) -> bytes:
    unzip = zlib.decompressobj(_GZIP)
    try:
        plain = unzip.decompress(data, limits.CHART_UNPACKED_BYTES_MAX)
    except zlib.error as error:
        raise errors.UnreadableError(f"{name}: not compressed by gzip") from error
    if unzip.unconsumed_tail:
        raise errors.UnreadableError(f"{name}: unpacks to more than {limits.CHART_UNPACKED_BYTES_MAX} bytes")
    if not unzip.eof:
        raise errors.UnreadableError(f"{name}: cut short")
    return plain


def _path(name: str, path: str) -> str:
    """The path of a member below the archive's one directory."""
    parts = [part for part in path.split("/") if part != "."]
    if len(parts) < 2 or not {"", ".."}.isdisjoint(parts) or any("\0" in part or "\\" in part for part in parts):
        raise errors.UnreadableError(f"{name}: {path[:200]!r} is no path below the chart's directory")
    return "/".join(parts[1:])
