"""Loading YAML, with all limits on, as a ratio to `yaml.CSafeLoader` on the same corpus (goal: at most 1.0).

`python -m tests.benchmarks.bench_yaml` prints one line of JSON for each. What libyaml's events take alone is what no
loader over them can go below. The best of some interleaved rounds counts.
"""

import json
import sys
import time
from collections.abc import Callable

import yaml
from yaml import cyaml

from controller.render import yamls
from tests.benchmarks import monorepo

ROUNDS = 9
GOAL = 1.0


def deployments() -> bytes:
    """What bundles of services hold."""
    parts = []
    for number in range(100):
        name = f"app-{number}"
        parts += [monorepo.deployment(name), monorepo.service(name), monorepo.autoscaler(name)]
    return "---\n".join(parts).encode()


def definitions() -> bytes:
    """Custom resource definitions: deep, with prose in block scalars, as generators write them."""
    return "---\n".join(_definition(number) for number in range(12)).encode()


def _definition(number: int) -> str:
    head = (
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  annotations:\n"
        f"    controller-gen.kubebuilder.io/version: v0.17.2\n  name: widgets{number}.example.com\nspec:\n"
        f"  group: example.com\n  names:\n    kind: Widget{number}\n    plural: widgets{number}\n  scope: Namespaced\n"
        "  versions:\n  - name: v1\n    served: true\n    storage: true\n    schema:\n      openAPIV3Schema:\n"
    )
    return head + "".join(f"{' ' * 8}{line}\n" for line in _schema(5, 3))


def _schema(depth: int, width: int) -> list[str]:
    lines = ["description: |-", "  Says how the controller treats this part of the object: what it is for,", "  and"]
    lines[-1:] = ["  what happens where it is not given. Defaults to what the cluster's administrator chose."]
    if not depth:
        return [*lines, "format: int32", "maximum: 65535", "minimum: 1", "type: integer"]
    lines.append("properties:")
    for number in range(width):
        lines.append(f"  field{depth}{number}:")
        lines += [f"    {line}" for line in _schema(depth - 1, width)]
    return [*lines, "required:", f"- field{depth}0", "type: object", "x-kubernetes-map-type: atomic"]


def data() -> bytes:
    """Configuration and dashboards in ConfigMaps, and manifests in JSON's way of writing."""
    parts = []
    for number in range(60):
        text = "".join(f"    key_{line} = value number {line} of the server's settings\n" for line in range(60))
        parts.append(f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{number}}}\ndata:\n  a.ini: |\n{text}")
        flow = ", ".join(f'{{"name": "p{port}", "port": {port}, "targetPort": {port}}}' for port in range(8000, 8030))
        head = f'"apiVersion": "v1", "kind": "Service", "metadata": {{"name": "s{number}"}}'
        parts.append(f'{{{head}, "spec": {{"ports": [{flow}]}}}}\n')
    return "---\n".join(parts).encode()


def events(text: bytes) -> None:
    """What a loader is built over."""
    parser = cyaml.CParser(text)  # type: ignore[attr-defined]  # its stubs do not export it
    while parser.get_event() is not None:
        pass


def ours(text: bytes) -> None:
    """As a rendering loads manifests."""
    yamls.load(text, with_plain=True)


def theirs(text: bytes) -> None:
    """PyYAML's fastest safe loader, without any bound."""
    list(yaml.load_all(text, yaml.CSafeLoader))


def main() -> int:
    corpora = {"deployments": deployments(), "definitions": definitions(), "data": data()}
    totals = {ours: 0.0, theirs: 0.0, events: 0.0}
    for name, text in corpora.items():
        assert [one.value for one in yamls.load(text)] == list(yaml.load_all(text, yaml.CSafeLoader)), name
        best = dict.fromkeys(totals, float("inf"))
        for _ in range(ROUNDS):
            for load in best:
                best[load] = min(best[load], _seconds(load, text))
        _print(name, best, len(text))
        totals = {load: totals[load] + best[load] for load in totals}
    _print("the whole corpus", totals, sum(map(len, corpora.values())))
    return 0


def _seconds(load: Callable[[bytes], None], text: bytes) -> float:
    begun = time.process_time()
    load(text)
    return time.process_time() - begun


def _print(name: str, best: dict[Callable[[bytes], None], float], size: int) -> None:
    fields = {
        "what": f"loading YAML: {name}",
        "bytes": size,
        "ratio": round(best[ours] / best[theirs], 2),
        "goal": GOAL,
        "eventsAlone": round(best[events] / best[theirs], 2),
    }
    print(json.dumps(fields), flush=True)


if __name__ == "__main__":
    sys.exit(main())
