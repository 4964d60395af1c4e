"""The programs of a control plane, wherever they came from."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

KUBEBUILDER = "KUBEBUILDER_ASSETS"
"""The variable by which envtest, and so every operator's CI, says where such programs lie."""

NEEDED = ("etcd", "kube-apiserver")


class Unavailable(Exception):
    """There is no control plane here and none can be made; the message is one line that says why."""


@dataclass(frozen=True)
class Assets:
    """A directory of programs, of which only etcd and kube-apiserver are sure to be there."""

    directory: Path

    def program(self, name: str) -> Path | None:
        """The path of a program, or None where this directory does not have it."""
        path = self.directory / name
        return path if os.access(path, os.X_OK) and path.is_file() else None

    def needed(self, name: str) -> Path:
        """The path of a program that was asked for by name."""
        path = self.program(name)
        if path is None:
            raise Unavailable(f"{self.directory} has no {name}")
        return path

    def version(self) -> str:
        """What kube-apiserver calls itself, for example v1.35.4."""
        command = [str(self.needed("kube-apiserver")), "--version"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.split()[-1]


def from_environment() -> Assets | None:
    """The programs that KUBEBUILDER_ASSETS names, or None where it is not set.

    A variable that is set and wrong is said aloud: compiling instead would test another Kubernetes than was asked for.
    """
    directory = os.environ.get(KUBEBUILDER)
    if not directory:
        return None
    found = Assets(Path(directory).absolute())
    missing = [name for name in NEEDED if found.program(name) is None]
    if missing:
        raise Unavailable(f"{KUBEBUILDER}={directory} has no {' and no '.join(missing)}")
    return found
