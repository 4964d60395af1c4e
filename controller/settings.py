"""The hub's settings: flags win over the environment, the environment over a file, the file over the defaults."""

import os
import pathlib
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import yaml

from controller import errors
from controller.domain import sweeping, tenants
from controller.domain.views import gauges

ENVIRONMENT_PREFIX = "FLOTILLA_HUB_"
"""`FLOTILLA_HUB_LISTEN` sets `listen`, and so on."""

FILE_BYTES_MAX = 64 * 1024
"""A settings file has a dozen lines; more is a mistake in the path."""


class SettingsError(errors.Terminal):
    """A setting that makes no sense, with its name and where it came from."""


class Settings(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """How one hub runs."""

    state_dir: str = ""
    """Keys, mirrors and, with the embedded server, the streams. Empty: `flotilla/hub` in the XDG state directory."""
    config: str = ""
    """File or directory of configuration documents; empty: everything comes by command."""
    listen: str = "127.0.0.1"
    """Address of the HTTP API: loopback unless told otherwise."""
    port: int = 8420
    """Port of the HTTP API; 0 takes a free one."""
    nats_url: str = ""
    """Server to use; empty: start an embedded one."""
    nats_listen: str = "127.0.0.1"
    """Address of the embedded server."""
    nats_port: int = 4222
    """Port of the embedded server; -1 takes a free one."""
    advertise: str = ""
    """URL of the NATS server that credentials tell agents; empty: the one that the hub uses."""
    public_url: str = ""
    """URL of the HTTP API that agents are told; empty: the one that it listens on."""
    tls: str = "auto"
    """`auto`: TLS on whatever listens beyond the loopback; `on`; `off`."""
    insecure_plain: bool = False
    """Whether plain text may leave the machine: only where something else encrypts it, as a proxy or a mesh does."""
    tls_cert: str = ""
    """Certificate chain, PEM; empty: our own authority, made at the first start, signs."""
    tls_key: str = ""
    tls_ca: str = ""
    """What agents and people hold the certificate against, PEM; empty, with a certificate of one's own: the CAs that
    every machine trusts."""
    token_lifetime_s: float = tenants.TOKEN_LIFETIME.total_seconds()
    """How long an agent that enrolled is let in unless it renews, which it does after about two thirds."""
    chart_repositories: str = ""
    """The only addresses at or below which charts are fetched, with blanks between them; empty: any. Without it,
    whoever may write a bundle can make the hub ask any server that it reaches. What a repository refers to is
    followed."""
    allow_remote_bases: bool = False
    """Whether a bundle that asks for it may build on kustomize bases from elsewhere: what they say is in no commit of
    ours, and the hub goes wherever the bundle's author sends it."""
    metrics_open: bool = False
    """Whether `/metrics` is for everybody; else a scraper shows a token of scope `read`."""
    metrics_clusters_max: int = gauges.NAMED_CLUSTERS_MAX
    """Metrics name each cluster in a fleet of no more than so many: each is a series for every number."""
    trusted_proxies: str = ""
    """Addresses and networks of reverse proxies, with blanks between them: what these say of their clients
    (`X-Forwarded-For`, `X-Forwarded-Proto`) is believed. Empty: nobody's word is, and all who come by a proxy share
    what one address may ask."""
    silence_s: float = 30.0
    """A cluster not heard for so long is offline: three of the agents' default heartbeats."""
    blob_retention_days: Annotated[float, msgspec.Meta(ge=0)] = sweeping.RETENTION_DAYS
    """Contents that nothing needs any more can be looked at (`past`) for so many days, for one at least; 0: they are
    never deleted."""
    blob_sweep_interval_s: Annotated[float, msgspec.Meta(ge=3600)] = 6 * 3600.0
    """Between two looks for them: each reads the log and all indexes, seconds of work in a large fleet. What one finds
    the next deletes: a backup should take less, and a hub that is restarted more often never deletes."""
    log_format: str = "auto"
    """`console`, `json`, or `auto`: console on a terminal."""


def load(flags: Mapping[str, Any], *, file: str = "", environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings in force. `flags`: by field name, those that were given. Raise SettingsError if one is senseless."""
    merged: dict[str, Any] = {}
    if file:
        merged.update(_from_file(pathlib.Path(file)))
    merged.update(_from_environment(environ))
    merged.update({_camel(name): value for name, value in flags.items() if value is not None})
    try:
        return msgspec.convert(merged, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"settings: {error}") from error


def state_directory(settings: Settings, *, environ: Mapping[str, str] = os.environ) -> pathlib.Path:
    """Where the hub keeps what must survive it (XDG Base Directory Specification)."""
    if settings.state_dir:
        return pathlib.Path(settings.state_dir)
    base = environ.get("XDG_STATE_HOME") or str(pathlib.Path.home() / ".local" / "state")
    return pathlib.Path(base) / "flotilla" / "hub"


def _from_file(path: pathlib.Path) -> dict[str, Any]:
    try:
        text = path.read_bytes()
        if len(text) > FILE_BYTES_MAX:
            raise SettingsError(f"settings file {path}: larger than {FILE_BYTES_MAX} bytes")
        found = yaml.safe_load(text)
    except (OSError, yaml.YAMLError) as error:
        raise SettingsError(f"settings file {path}: cannot be read ({error})") from error
    if not isinstance(found, dict):
        raise SettingsError(f"settings file {path}: not a mapping of settings")
    return found


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    names = {
        f"{ENVIRONMENT_PREFIX}{field.name.upper()}": field.encode_name for field in msgspec.structs.fields(Settings)
    }
    return {names[key]: value for key, value in environ.items() if key in names}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)
