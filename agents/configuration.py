"""Which clusters one agent process serves: from the command line, or from a file.

The file is YAML or JSON; paths in it are relative to it:

    clusters:
      - credentials: edge-1.json
        kubeconfig: edge-1.kubeconfig
      - credentials: edge-2.json
        seedFile: edge-2.nk
        kubeconfig: all.kubeconfig
        context: edge-2
    settings:
      heartbeat: 5
"""

from pathlib import Path

import msgspec
import yaml

from agents import errors, renewing
from agents.kube import access
from agents.settings import DEFAULTS, Settings
from protocol import credentials

FILE_BYTES_MAX = 4 * 1024 * 1024
"""Room for ten thousand clusters; what is larger is the wrong file."""

_credentials = msgspec.json.Decoder(credentials.Credentials)


class Cluster(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """One cluster to serve: with credentials from a file, or with those that the hub gives for a token."""

    credentials: str = ""
    seed_file: str = ""
    hub: str = ""
    """URL of the hub; goes with the identity, and until that is there with a token."""
    token_file: str = ""
    ca_pin: str = ""
    ca_file: str = ""
    insecure_plain: bool = False
    identity: str = ""
    """File that keeps the identity; in a cluster a Secret does."""
    kubeconfig: str = ""
    context: str = ""
    in_cluster: bool = False
    service_account: str = str(access.SERVICE_ACCOUNT)
    """Directory of the pod's token and authority, with inCluster."""


class Configuration(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """All of them, and how."""

    clusters: tuple[Cluster, ...]
    settings: Settings = DEFAULTS


class Identity(msgspec.Struct, frozen=True):
    """One cluster, ready to be served: who the agent is to the hub, and how it gets to the API server."""

    credentials: credentials.Credentials
    seed: bytes
    access: access.Access
    renewal: renewing.Renewal | None = None
    """None: the credentials are those of a file, and nobody renews them."""

    def __repr__(self) -> str:
        return f"Identity({self.credentials.name}, {self.credentials.cluster})"


def load(path: Path) -> Configuration:
    """Read a configuration file; raise SetupError with the reason if it is none."""
    try:
        found = msgspec.convert(yaml.safe_load(text(path)), Configuration)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise errors.SetupError(f"{path}: not an agent's configuration ({error})") from error
    if not found.clusters:
        raise errors.SetupError(f"{path}: names no cluster")
    for cluster in found.clusters:
        if bool(cluster.credentials) == bool(cluster.hub):
            raise errors.SetupError(f"{path}: each cluster needs either credentials or a hub")
        if cluster.hub and not cluster.identity and not cluster.in_cluster:
            raise errors.SetupError(f"{path}: a cluster with a hub needs an identity: a file that keeps it")
    return found


def identify(cluster: Cluster, directory: Path) -> Identity:
    """Read a cluster's credentials; relative paths start at `directory`."""
    path = directory / cluster.credentials
    try:
        found = _credentials.decode(text(path))
    except msgspec.MsgspecError as error:
        raise errors.SetupError(f"{path}: not an agent's credentials ({error})") from error
    seed = found.seed.encode()
    if cluster.seed_file:
        seed = text(directory / cluster.seed_file).strip().encode()
    if not seed.startswith(b"SU"):
        raise errors.SetupError(f"{path}: no user seed (SU…) in it, and no seed file that holds one")
    # The seed has a place of its own; it must not travel on in the credentials.
    public = msgspec.structs.replace(found, seed="")
    return Identity(public, seed, way(cluster, directory))


def way(cluster: Cluster, directory: Path) -> access.Access:
    """How the agent gets to the cluster's API server."""
    if cluster.in_cluster == bool(cluster.kubeconfig):
        raise errors.SetupError(f"{cluster.credentials or cluster.hub}: needs either a kubeconfig or inCluster")
    kubeconfig = directory / cluster.kubeconfig if cluster.kubeconfig else None
    return access.Access(kubeconfig, cluster.context, Path(cluster.service_account))


def text_if_there(path: Path) -> str:
    """What a file says; nothing where it is gone, as a token's may be once it was used."""
    return text(path) if path.exists() else ""


def text(path: Path) -> str:
    """What a file says; raise SetupError if it cannot be read."""
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise errors.SetupError(f"{path}: more than {FILE_BYTES_MAX} bytes")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise errors.SetupError(f"{path}: cannot be read ({error})") from error
