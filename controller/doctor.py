"""`flotilla doctor`: can this hub do its work here? It looks, on the hub's machine, and changes nothing."""

import asyncio
import datetime
import pathlib
import shutil
import ssl
import stat
import subprocess

from cryptography import x509

from controller import authority, backups, errors, keys, nats_server, settings
from controller.broker import api, connection, streams
from controller.render import stages
from protocol import diagnosis
from protocol import streams as wanted_streams
from protocol.diagnosis import Finding

DISK_NEEDED_BYTES = 2 * 1024 * 1024 * 1024
"""A log, its blobs and the mirrors of a middling fleet; nats-server stops to store where nothing is left."""

CERTIFICATE_SOON_S = 14 * 24 * 3600.0
"""Our own are renewed earlier; two weeks is what a person needs to renew another one."""

GIT_TIMEOUT_S = 10.0


async def examine(chosen: settings.Settings, *, at: datetime.datetime) -> list[Finding]:
    """All findings about the hub of a state directory."""
    directory = settings.state_directory(chosen)
    found = [await asyncio.to_thread(_directory, directory), await asyncio.to_thread(_disk, directory)]
    found += await asyncio.to_thread(_programs)
    found += await asyncio.to_thread(_certificates, directory, chosen.tls_cert, at)
    found.append(await _nats_version())
    if (directory / keys.DIRECTORY).is_dir():
        found += await _nats(chosen, directory, at)
    return found


def _directory(directory: pathlib.Path) -> Finding:
    if not (directory / keys.DIRECTORY).is_dir():
        advice = "name the hub's state directory (--state-dir), or start 'flotilla hub' once"
        return diagnosis.wrong("state", f"{directory}: holds no keys", advice)
    try:
        backups.check_finished(directory)
        ring = keys.KeyRing(directory / keys.DIRECTORY)
    except errors.HubError as error:
        return diagnosis.wrong("state", str(error), "mend it as it says; a backup has the keys, too")
    if directory.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return diagnosis.warning("state", f"{directory}: open to others", f"chmod 700 {directory}")
    return diagnosis.fine("state", f"{directory}: keys of {len(ring.clusters())} clusters, private")


def _disk(directory: pathlib.Path) -> Finding:
    place = directory
    while not place.exists():
        place = place.parent
    return diagnosis.space("disk", str(directory), shutil.disk_usage(place).free, needed_bytes=DISK_NEEDED_BYTES)


def _programs() -> list[Finding]:
    """What renders and fetches; a hub whose bundles need none of them does without."""
    tools = stages.find_tools()
    found = []
    for name, program, missing, needed in (
        ("helm", tools.helm, tools.helm_missing, "charts"),
        ("kustomize", tools.kustomize, tools.kustomize_missing, "kustomizations"),
    ):
        if program is None:
            found.append(diagnosis.warning(name, missing, f"install it: bundles with {needed} are in error without"))
        else:
            found.append(diagnosis.fine(name, f"{program.identity} at {program.path}"))
    return [*found, _git()]


def _git() -> Finding:
    path = shutil.which("git")
    if path is None:
        advice = "install git: sources by ssh, or with an authority of their own, need it"
        return diagnosis.warning("git", "not found on PATH", advice)
    try:
        said = subprocess.run([path, "--version"], capture_output=True, timeout=GIT_TIMEOUT_S, check=True, text=True)
    except (OSError, subprocess.SubprocessError) as error:
        return diagnosis.wrong("git", f"{path}: does not run ({error})", "install it anew")
    return diagnosis.fine("git", said.stdout.strip())


def _certificates(directory: pathlib.Path, given: str, at: datetime.datetime) -> list[Finding]:
    """Those that hub and nats-server show, where they show any."""
    own = directory / keys.DIRECTORY
    found = []
    for check, path in (
        ("authority", own / authority.AUTHORITY_FILE),
        *(("certificate", path) for path in sorted(directory.rglob("server.crt"))),
        *((("certificate", pathlib.Path(given)),) if given else ()),
    ):
        if not path.exists():
            continue
        try:
            end = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
        except (OSError, ValueError) as error:
            found.append(diagnosis.wrong(check, f"{path}: cannot be read ({error})", "put a PEM certificate there"))
            continue
        left_s, advice = (end - at).total_seconds(), "restart the hub if it is its own; else renew the file"
        found.append(diagnosis.ends(check, str(path), left_s, soon_s=CERTIFICATE_SOON_S, advice=advice))
    return found


async def _nats_version() -> Finding:
    try:
        binary = nats_server.find(None)
        version = await nats_server.check_version(binary)
    except errors.HubError as error:
        return diagnosis.wrong("nats-server", str(error), "install flotilla-gitops[hub], or a newer one on PATH")
    return diagnosis.fine("nats-server", f"{'.'.join(map(str, version))} at {binary}")


async def _nats(chosen: settings.Settings, directory: pathlib.Path, at: datetime.datetime) -> list[Finding]:
    """Is the server there, does it take the hub's keys, and are the streams as they must be?"""
    url = chosen.nats_url or await nats_server.running_at(directory)
    if not url:
        return [diagnosis.warning("nats", "no server runs on this state directory", "start 'flotilla hub'")]
    try:
        async with backups.linked(url, keys.KeyRing(directory / keys.DIRECTORY), at) as link:
            return [diagnosis.fine("nats", f"{url}: takes the hub's keys"), *await _streams(link)]
    except (errors.HubError, OSError, ssl.SSLError) as error:
        return [diagnosis.wrong("nats", str(error), "check the address, and that the server has this hub's keys")]


async def _streams(link: connection.Connection) -> list[Finding]:
    found = []
    for wanted in wanted_streams.ALL:
        check = f"stream {wanted.name}"
        info = await api.info(link, wanted.name)
        if info is None:
            found.append(diagnosis.warning(check, "is not there", "it is made when the hub starts; was it deleted?"))
            continue
        differences = [one for one in streams.differing(wanted, info[0]) if not one.startswith("num_replicas")]
        told = f"{info[1].messages} messages, up to {info[1].last_seq}"
        if differences:
            advice = "set it back, or the hub will not start on it: it relies on these"
            found.append(diagnosis.wrong(check, "; ".join(differences), advice))
        else:
            found.append(diagnosis.fine(check, told))
    return found
