"""The kubeconfig of a sandbox: one context per cluster, named after it."""

import base64
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
import yaml


class Access(msgspec.Struct, frozen=True):
    """How to reach one cluster."""

    name: str
    server: str
    token: str


def document(accesses: Sequence[Access], authority_pem: bytes) -> str:
    """Return the text of a kubeconfig; the first cluster is the current one."""
    authority = base64.b64encode(authority_pem).decode()
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": accesses[0].name,
        "clusters": [
            {"name": a.name, "cluster": {"server": a.server, "certificate-authority-data": authority}} for a in accesses
        ],
        "users": [{"name": a.name, "user": {"token": a.token}} for a in accesses],
        "contexts": [{"name": a.name, "context": {"cluster": a.name, "user": a.name}} for a in accesses],
    }
    return str(yaml.dump(content, Dumper=yaml.CSafeDumper, sort_keys=False))


def write(path: Path, text: str) -> None:
    """Write the file whole or not at all, readable by its owner only: it holds the tokens."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)
