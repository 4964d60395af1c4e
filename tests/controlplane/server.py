"""One Kubernetes cluster without nodes, on loopback: etcd, kube-apiserver and, where wanted, kube-controller-manager.

An API server is a cluster of its own (the UID of its namespace kube-system names it): tests of a fleet start several.
"""

import base64
import json
import os
import secrets
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from tests.controlplane import certificates
from tests.controlplane.assets import Assets
from tests.controlplane.child import Child
from tests.controlplane.client import Client

READY_S = 180.0
"""How long a start may take; about five seconds on two idle cores, but test machines are not idle."""

POLL_S = 0.05
"""How often another process is asked whether it is ready: it has no way to tell."""

HOST = "127.0.0.1"
ADMIN = "flotilla-test-admin"
SERVICE_NETWORK = "10.96.0.0/16"
"""Where Services get their addresses; nothing routes there."""


class ControlPlaneFailed(Exception):
    """A program of the control plane ended, or was not ready in time; the message holds the tail of its log."""


class ControlPlane:
    """A running cluster; stop it, or use it as a context manager."""

    def __init__(self, assets: Assets, *, controllers: bool = True) -> None:
        """Start the programs without waiting, so that several clusters can come up side by side."""
        self.assets = assets
        # Not pytest's temporary directory: the path of a Unix socket is at most 107 bytes long.
        self.directory = Path(tempfile.mkdtemp(prefix="flotilla-kube-"))
        self.token = secrets.token_urlsafe(24)
        self._children: list[Child] = []
        self._port = _reserved_port()
        self.server = f"https://{HOST}:{self._port.getsockname()[1]}"
        self.kubeconfig = self.directory / "kubeconfig"
        self.controllers = controllers
        try:
            self._write_files()
            self.client = Client(self.server, self.token, self.directory / "ca.crt")
            self._start_etcd()
            self._start_api_server()
        except BaseException:
            self.stop()
            raise

    @classmethod
    def start(cls, assets: Assets, *, controllers: bool = True) -> Self:
        """A cluster that answers; blocking, and only from the main thread (see `Child`)."""
        started = cls(assets, controllers=controllers)
        started.wait()
        return started

    def wait(self) -> None:
        """Return once requests of every kind work; a control plane that does not come up is stopped."""
        deadline = time.monotonic() + READY_S
        try:
            self._until("/readyz", deadline)
            self._port.close()
            if self.controllers and len(self._children) == 2:
                self._start_controller_manager()
            # The last thing that the controllers make: from then on Pods are admitted.
            self._until(
                "/api/v1/namespaces/default" + ("/serviceaccounts/default" if self.controllers else ""), deadline
            )
        except BaseException:
            self.stop()
            raise

    def end_api_server(self) -> None:
        """Kill the API server; its port stays ours, and whoever asks is refused."""
        self._port = _reserved_port(int(self.server.rpartition(":")[2]))
        [child] = [child for child in self._children if child.name == "kube-apiserver"]
        os.kill(child.pid, signal.SIGKILL)
        child.stop()
        self._children.remove(child)

    def start_api_server(self) -> None:
        """Start it again on what etcd holds; `wait` for it."""
        self._start_api_server()

    def stop(self) -> None:
        """End the programs and remove what they wrote; may be called again."""
        # The API server before etcd: without its store it can only wait.
        for child in reversed(self._children):
            child.stop()
        self._children.clear()
        self._port.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def ca_data(self) -> str:
        """The authority of the server's certificate as a kubeconfig holds it: PEM in base64."""
        return base64.b64encode((self.directory / "ca.crt").read_bytes()).decode()

    @property
    def kubectl(self) -> Path | None:
        """The kubectl of the same version, or whichever is on PATH."""
        found = self.assets.program("kubectl") or shutil.which("kubectl")
        return Path(found) if found else None

    @property
    def uid(self) -> str:
        """The UID of the cluster, by the convention of taking that of kube-system."""
        return str(self.client.get("/api/v1/namespaces/kube-system")["metadata"]["uid"])

    @property
    def pids(self) -> dict[str, int]:
        """The process of each program, for tests that kill or measure one."""
        return {child.name: child.pid for child in self._children}

    def _write_files(self) -> None:
        certificates.write(self.directory)
        tokens = self.directory / "tokens.csv"
        tokens.write_text(f'{self.token},{ADMIN},{ADMIN},"system:masters"\n')
        tokens.chmod(0o600)
        self.kubeconfig.write_text(json.dumps(self._kubeconfig()))
        self.kubeconfig.chmod(0o600)

    def _kubeconfig(self) -> dict[str, object]:
        cluster = {"server": self.server, "certificate-authority-data": self.ca_data}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": ADMIN, "user": {"token": self.token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": ADMIN, "namespace": "default"}}],
            "current-context": "test",
        }

    def _run(self, program: str, *flags: str) -> None:
        self._children.append(Child([self.assets.needed(program), *flags], self.directory / f"{program}.log"))

    def _start_etcd(self) -> None:
        # What it advertises keeps its defaults: etcd takes only host and port there, and a lone member calls nobody.
        self._run(
            "etcd",
            f"--data-dir={self.directory}/etcd",
            f"--listen-client-urls=unix://{self.directory}/etcd.sock",
            f"--listen-peer-urls=unix://{self.directory}/peer.sock",
            "--advertise-client-urls=http://localhost:2379",
            "--unsafe-no-fsync",  # the data is thrown away; a sync per write is most of the time of a test
            "--log-level=warn",
        )

    def _start_api_server(self) -> None:
        keys = self.directory
        self._run(
            "kube-apiserver",
            f"--etcd-servers=unix://{keys}/etcd.sock",
            f"--bind-address={HOST}",
            f"--advertise-address={HOST}",
            f"--secure-port={self._port.getsockname()[1]}",
            "--permit-port-sharing",  # with the socket that keeps the port for it, see _reserved_port
            f"--tls-cert-file={keys}/server.crt",
            f"--tls-private-key-file={keys}/server.key",
            f"--token-auth-file={keys}/tokens.csv",
            "--authorization-mode=RBAC",
            f"--service-account-key-file={keys}/service-account.key",
            f"--service-account-signing-key-file={keys}/service-account.key",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-cluster-ip-range={SERVICE_NETWORK}",
            "--endpoint-reconciler-type=none",  # loopback is no valid address of an Endpoints object
            "--profiling=false",
        )

    def _start_controller_manager(self) -> None:
        self._run(
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig}",
            f"--service-account-private-key-file={self.directory}/service-account.key",
            f"--root-ca-file={self.directory}/ca.crt",
            "--secure-port=0",
            "--leader-elect=false",  # there is no other, and electing costs seconds
            "--profiling=false",
        )

    def _until(self, path: str, deadline: float) -> None:
        """Ask until the path exists."""
        status, answer = 0, None
        for _ in _polls(deadline):
            dead = [child for child in self._children if not child.running()]
            if dead:
                raise ControlPlaneFailed(f"{dead[0].name}: ended while starting\n{dead[0].tail()}")
            try:
                status, answer = self.client.call("GET", path)
            except OSError as refused:
                answer = refused
            if status == 200:
                return
        tails = "\n".join(child.tail() for child in self._children)
        raise ControlPlaneFailed(f"{path}: not there after {READY_S:.0f} s ({status} {answer})\n{tails}")


def _polls(deadline: float) -> Iterator[None]:
    while time.monotonic() < deadline:
        yield
        time.sleep(POLL_S)


def _reserved_port(port: int = 0) -> socket.socket:
    """A bound socket that never listens: its port stays ours until the API server has bound it as well.

    Looking for a free port and then naming it is a race with every other test run; SO_REUSEPORT on both sides is not.
    """
    keeper = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    keeper.bind((HOST, port))
    return keeper
