"""How agents are let in, and out again: commands of `flotilla cluster`."""

import shlex
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import typer
import yaml

from controller import agent_manifest
from controller.cli import options, output, session, tokens

Name = Annotated[str, typer.Argument(metavar="NAME", help="the cluster's name")]
Ttl = Annotated[str, typer.Option(metavar="TIME", help="how long the token is good: 90s, 15m, 1h, 2d")]
Accept = Annotated[
    str,
    typer.Option(
        metavar="auto|manual", help="auto: whoever shows the token; manual: once 'flotilla cluster accept' says so"
    ),
]

TTL = "1h"


def token(
    name: Name, ttl: Ttl = TTL, accept: Accept = "auto", url: options.Url = "", token: options.Token = ""
) -> None:
    """Make a one-use token for the cluster's agent, and print the command to run. An older unused token ends.

    Example: flotilla cluster token edge-1 --ttl 15m
    """
    told(offered(options.hub(url, token), f"clusters/{session.quoted(name)}/token", ttl=ttl, accept=accept))


def accept(name: Name, url: options.Url = "", token: options.Token = "") -> None:
    """Let the agent in that waits for it (after 'cluster add --accept manual')."""
    options.hub(url, token).post(f"clusters/{session.quoted(name)}/accept")
    output.done(f"cluster {name}: its agent is let in")


def revoke(name: Name, url: options.Url = "", token: options.Token = "") -> None:
    """End everything that lets an agent of the cluster in; connections drop at once. 'cluster token' lets one in again.

    Example: flotilla cluster revoke edge-1
    """
    options.hub(url, token).post(f"clusters/{session.quoted(name)}/revoke")
    output.done(f"cluster {name}: revoked; its workloads stay")


def rotate(name: Name, url: options.Url = "", token: options.Token = "") -> None:
    """Have the agent make itself another key; the present one ends as soon as it did."""
    options.hub(url, token).post(f"clusters/{session.quoted(name)}/rotate")
    output.done(f"cluster {name}: its agent makes another key, at once or when it is back")


def replace(
    name: Name, ttl: Ttl = TTL, accept: Accept = "auto", url: options.Url = "", token: options.Token = ""
) -> None:
    """Say that the name is another cluster's now: it was rebuilt. The old one's agent is out, its workloads stay, and
    nothing is owed to it; labels and values stay. Prints the command for the new cluster's agent.

    Example: flotilla cluster replace edge-1
    """
    path = f"clusters/{session.quoted(name)}/replace"
    told(offered(options.hub(url, token), path, ttl=ttl, accept=accept))


def manifest(
    name: Name,
    role: Annotated[
        agent_manifest.Role,
        typer.Option(metavar="ROLE", help="beyond its own needs: cluster-admin, namespaced (admin there), none"),
    ] = agent_manifest.Role.CLUSTER_ADMIN,
    namespace: Annotated[
        list[str] | None, typer.Option(metavar="NAMESPACE", help="with --role namespaced; repeatable")
    ] = None,
    image: Annotated[str, typer.Option(metavar="IMAGE", help="the agent's image")] = agent_manifest.IMAGE,
    ttl: Ttl = TTL,
    accept: Accept = "auto",
    url: options.Url = "",
    token: options.Token = "",
) -> None:
    """Print what runs the agent in its cluster: namespace, account, roles, a fresh one-use token, and a deployment.

    A bundle can only do what the agent may do: cluster-admin is the default because bundles hold kinds of every sort,
    and whoever grants rights by a bundle must have them. With less, an object beyond it fails alone, and says so.

    Example: flotilla cluster manifest edge-1 | kubectl --context edge-1 apply -f -
    """
    hub = options.hub(url, token)
    choice = agent_manifest.Choice(hub_url="", token="", image=image, role=role, namespaces=tuple(namespace or ()))
    try:
        agent_manifest.manifests(choice)  # before a token is made for what is refused
        offer = offered(hub, f"clusters/{session.quoted(name)}/token", ttl=ttl, accept=accept)
        told = msgspec.structs.replace(choice, hub_url=offer["hubUrl"], token=offer["token"], ca_pin=offer["caPin"])
        sys.stdout.write(yaml.safe_dump_all(agent_manifest.manifests(told), sort_keys=False))
    except agent_manifest.ManifestError as error:
        raise session.CommandError(str(error), session.USAGE) from error


def offered(hub: session.Hub, path: str, *, ttl: str, accept: str) -> Mapping[str, Any]:
    """A token of the hub; CommandError if what is asked for makes no sense."""
    if accept not in ("auto", "manual"):
        raise session.CommandError(f"--accept {accept!r}: neither 'auto' nor 'manual'", session.USAGE)
    found: Mapping[str, Any] = hub.post(path, {"ttlS": tokens.seconds(ttl), "manual": accept == "manual"})
    return found


def told(offer: Mapping[str, Any]) -> None:
    """Print the one command that lets the agent in and runs it."""
    words = ["flotilla", "agent", "run", "--hub", offer["hubUrl"], "--token", offer["token"]]
    if offer["caPin"]:
        words += ["--ca-pin", offer["caPin"]]
    words += ["--state-dir", offer["cluster"]]
    output.done(
        f"run this where the cluster is reached, until {offer['expiresAt'][:19]}Z (--in-cluster in a pod of its own):"
    )
    output.done(f"  {shlex.join(words)} --kubeconfig ~/.kube/config")
