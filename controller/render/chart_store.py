"""Charts from repositories: fetched by helm once per version, kept by the digest of their bytes.

What an exact version stands for is kept, also if the repository later says otherwise; a range is asked anew each time,
and where nobody answers the last answer holds, with a warning. Processes may share the directory. It is bounded: what
was used longest ago goes first, and is fetched again when it is asked for; if the repository then gives another archive
for the same version, that is told.
"""

import contextlib
import hashlib
import os
import pathlib
import re
import tempfile
from collections.abc import Mapping, Sequence

import msgspec

from controller.render import archives, chart_logins, children, errors, limits, programs, templates
from protocol import canonical

_EXACT = re.compile(r"v?\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_ODD = re.compile(r"[^!-~]|[?#%\\]")
"""What may end the name of a host, or stand for something else."""
_OCI = "oci://"
_HTTP = ("https://", "http://")

_PASSED_ON = ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")

_CACHE = "cache"
_INDEX = f"{chart_logins.REPOSITORY}-index.yaml"
"""The file that helm keeps a repository's index in."""

_SAID_CHARACTERS_MAX = 600
"""Of what helm says where it ends well and gives nothing."""

_BOUNDS = children.Bounds(file_bytes=256 * limits.MIB)
"""The index of a large repository has tens of megabytes, and helm writes it to a file first."""


STORE_BYTES_MAX = 2 * 1024 * limits.MIB
"""Of archives: thousands of charts, which have some hundred kilobytes each."""

STORE_ANSWERS_MAX = 20_000
"""What so many versions and ranges stood for; a few hundred bytes each."""


class Remote(msgspec.Struct, frozen=True):
    """A chart in a repository."""

    chart: str
    """Its name there, or an `oci://` address."""
    repo: str = ""
    """An HTTP(S) repository; empty for an `oci://` address."""
    version: str = ""
    """A version, or a range of versions; empty: the latest that is no pre-release."""

    def __str__(self) -> str:
        where = f" of {self.repo}" if self.repo else ""
        return chart_logins.without_credentials(f"chart {self.chart} {self.version or '(latest)'}{where}")


class Resolved(msgspec.Struct, frozen=True):
    """What a remote chart stood for: part of what a digest follows from (I2)."""

    chart: str
    version: str
    digest: str
    """SHA-256 of the archive."""


class Fetched(msgspec.Struct, frozen=True):
    """A chart in hand."""

    resolved: Resolved
    archive: bytes
    warning: str = ""


class _Answer(msgspec.Struct, frozen=True):
    """Kept in the store: what a version, or a range, last stood for."""

    version: str
    digest: str


class Store:
    """Fetches charts and keeps them. Holds a sandbox with a network: close it, or use it as a context."""

    def __init__(
        self,
        directory: pathlib.Path,
        helm: programs.Program,
        *,
        environ: Mapping[str, str],
        plain_http: bool = False,
        allowed: Sequence[str] = (),
        bytes_max: int = STORE_BYTES_MAX,
    ) -> None:
        """`environ` is read for proxies and certificates only. `plain_http`: OCI registries without TLS. `allowed`: the
        only addresses at or below which charts are fetched; none: all are. `bytes_max`: of the archives that stay."""
        self._directory = directory
        self._helm = helm
        self._environment = {
            name: value for name, value in environ.items() if name.upper() in _PASSED_ON
        } | programs.ENVIRONMENT
        self._plain_http = plain_http
        self._allowed = tuple(allowed)
        self._bytes_max = bytes_max
        self._sandbox = children.Sandbox(network=True)

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the sandbox."""
        self._sandbox.close()

    def fetch(self, remote: Remote) -> Fetched:
        """A chart, from the store or its repository; raise UnreadableError for an address that is none, MissingError
        where nobody gives it now."""
        _check(remote)
        if self._allowed and not _is_below(remote.repo or remote.chart, self._allowed):
            raise errors.UnreadableError(f"{remote}: not among the hub's chartRepositories")
        kept = self._kept(remote)
        if kept is not None and _EXACT.fullmatch(remote.version):
            return kept
        try:
            archive = self._pull(remote)
        except errors.MissingError as error:
            if kept is None:
                raise
            warning = f"{remote}: version {kept.resolved.version} of before is used ({error.reason})"
            return msgspec.structs.replace(kept, warning=warning)
        return self._keep(remote, archive)

    def _pull(self, remote: Remote) -> bytes:
        login = chart_logins.split(remote.repo or remote.chart)
        try:
            found = list(self._pulled(remote, login).values())
        except errors.UnreadableError as error:
            reason = login.hidden(error.reason) if login is not None else error.reason
            raise errors.MissingError(f"{remote}: {chart_logins.without_credentials(reason)}") from None
        if len(found) != 1 or len(found[0]) > limits.CHART_ARCHIVE_BYTES_MAX:
            raise errors.UnreadableError(f"{remote}: no archive of at most {limits.CHART_ARCHIVE_BYTES_MAX} bytes")
        return found[0]

    def _pulled(self, remote: Remote, login: chart_logins.Login | None) -> Mapping[str, bytes]:
        """The archives that helm gives for the chart, with a login in files."""
        chart, options, files = remote.chart, list[str](), dict[str, bytes]()
        if remote.repo and login is None:
            options.append(f"--repo={remote.repo}")
        elif remote.repo and login is not None:
            chart = f"{chart_logins.REPOSITORY}/{remote.chart}"
            options += [f"--repository-config={chart_logins.REPOSITORIES}", f"--repository-cache={_CACHE}"]
            files[chart_logins.REPOSITORIES] = login.repositories()
            files[f"{_CACHE}/{_INDEX}"] = self._index(login)
        elif login is not None:
            chart = login.address
            options.append(f"--registry-config={chart_logins.REGISTRIES}")
            files[chart_logins.REGISTRIES] = login.registries()
        if not remote.repo and self._plain_http:
            options.append("--plain-http")
        if remote.version:
            options.append(f"--version={remote.version}")
        arguments = ("pull", *options, "--destination=.", "--", chart)
        return self._helm_run(arguments, files, keep=".tgz").kept

    def _index(self, login: chart_logins.Login) -> bytes:
        """What a repository that wants a login has; helm looks it up by itself only for those that want none."""
        options = (f"--repository-config={chart_logins.REPOSITORIES}", "--repository-cache=.")
        files = {chart_logins.REPOSITORIES: login.repositories()}
        done = self._helm_run(("repo", "update", *options), files, keep=_INDEX)
        if _INDEX not in done.kept:  # helm ends well, and says on its output what was wrong
            said = " ".join(done.stdout.decode(errors="replace").split())[:_SAID_CHARACTERS_MAX]
            raise errors.UnreadableError(f"helm repo update: gives no index ({said})")
        return done.kept[_INDEX]

    def _helm_run(self, arguments: tuple[str, ...], files: Mapping[str, bytes], *, keep: str) -> children.Finished:
        command = children.Command(
            name=f"helm {arguments[0]}",
            program=self._helm.path,
            arguments=arguments,
            files=files,
            environment=self._environment,
            bounds=_BOUNDS,
            keep=keep,
        )
        return self._sandbox.run(command)

    def _keep(self, remote: Remote, archive: bytes) -> Fetched:
        about = templates.metadata(
            f"{remote}: Chart.yaml", archives.unpack(str(remote), archive).get("Chart.yaml", b"")
        )
        answer = _Answer(version=str(about.get("version", "")), digest=hashlib.sha256(archive).hexdigest())
        before = self._answer(remote)
        _write(self._blob(answer.digest), archive)
        _write(self._entry(remote), msgspec.json.encode(answer))
        prune(self._blob(answer.digest).parent, bytes_max=self._bytes_max)
        prune(self._entry(remote).parent, files_max=STORE_ANSWERS_MAX)
        resolved = Resolved(chart_logins.without_credentials(remote.chart), answer.version, answer.digest)
        if before is None or before.digest == answer.digest or not _EXACT.fullmatch(remote.version):
            return Fetched(resolved, archive)
        warning = f"{remote}: its repository gives another archive than before ({before.digest[:12]} then)"
        return Fetched(resolved, archive, warning)

    def _kept(self, remote: Remote) -> Fetched | None:
        answer = self._answer(remote)
        if answer is None:
            return None
        try:
            archive = self._blob(answer.digest).read_bytes()
            os.utime(self._blob(answer.digest))
            os.utime(self._entry(remote))
        except FileNotFoundError:
            return None
        if hashlib.sha256(archive).hexdigest() != answer.digest:
            return None  # a disk's doing: fetched anew
        return Fetched(Resolved(chart_logins.without_credentials(remote.chart), answer.version, answer.digest), archive)

    def _answer(self, remote: Remote) -> _Answer | None:
        try:
            return msgspec.json.decode(self._entry(remote).read_bytes(), type=_Answer)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def _entry(self, remote: Remote) -> pathlib.Path:
        key = hashlib.sha256(canonical.encode([remote.repo, remote.chart, remote.version])).hexdigest()
        return self._directory / "versions" / f"{key}.json"

    def _blob(self, digest: str) -> pathlib.Path:
        return self._directory / "archives" / f"{digest}.tgz"


def _check(remote: Remote) -> None:
    if not chart_logins.is_plain(remote.repo or remote.chart):
        # Not quoted: what of it is a password cannot be told.
        raise errors.UnreadableError("chart: its repository's address is none (in a password, / is written %2F)")
    if remote.repo:
        if not remote.repo.startswith(_HTTP) or not _NAME.fullmatch(remote.chart):
            raise errors.UnreadableError(f"{remote}: not the name of a chart in an http:// or https:// repository")
    elif not remote.chart.startswith(_OCI):
        raise errors.UnreadableError(f"{remote}: no repository is given, and it is no oci:// address")


def _is_below(address: str, allowed: Sequence[str]) -> bool:
    """Is it one of these addresses, or below one, however it is read?"""
    if _ODD.search(address) or not {".", ".."}.isdisjoint(address.split("/")):
        return False
    plain = f"{chart_logins.without_credentials(address).rstrip('/')}/"
    return any(plain.startswith(f"{one.rstrip('/')}/") for one in allowed)


def _write(path: pathlib.Path, content: bytes) -> None:
    """Whole or not at all, also when two processes write at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
    os.replace(file.name, path)


def prune(directory: pathlib.Path, *, bytes_max: int | None = None, files_max: int | None = None) -> None:
    """Delete what was used longest ago until the rest is within the bounds. Whoever reads a file meanwhile has it, and
    whoever comes later fetches it anew; half-written ones of a process that died grow old, too."""
    found = []
    for path in directory.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another process prunes as well
            found.append((path.stat().st_mtime_ns, path.stat().st_size, path))
    count, size = len(found), sum(length for _, length, _ in found)
    # The newest was written just now.
    for _, length, path in sorted(found)[:-1]:
        if (bytes_max is None or size <= bytes_max) and (files_max is None or count <= files_max):
            return
        path.unlink(missing_ok=True)
        count, size = count - 1, size - length
