"""What the demo's repository holds, commit by commit: paths and texts. A chart, a kustomization and plain manifests."""

from collections.abc import Iterable, Mapping

from controller.demo import manifests

Files = Mapping[str, str]

OLD, NEW = "1.4.0", "1.5.0"
IMAGE = "registry.example.com/storefront"
PROMOTION = "apps/storefront/templates/promotion.yaml"
POLICIES = "platform/policies"

REPLICAS = {"dev": 1, "staging": 2, "prod": 3}
"""Of the storefront, by environment: each has a file of values of its own."""

CHECKOUT_REPLICAS = {"staging": 1, "prod": 3}
"""Of checkout, by environment: each has an overlay; the others do not get it."""

_KUSTOMIZATION = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"


def first() -> dict[str, str]:
    """The first commit: two applications and two platform bundles."""
    return {
        "README.md": "What runs on our fleet. A merge to main is a deployment.\n",
        **_below("apps/storefront", _chart(OLD)),
        **_below("apps/checkout", _kustomizations()),
        "platform/policies/flotilla.yaml": "name: policies\nnamespace: shop\n",
        "platform/policies/network.yaml": manifests.network_policy("default-deny"),
        "platform/policies/quota.yaml": manifests.quota("shop"),
        "platform/agents/flotilla.yaml": "name: node-agents\ndefaultNamespace: platform\n",
        "platform/agents/account.yaml": manifests.account("log-shipper"),
        "platform/agents/settings.yaml": manifests.config(
            "log-shipper", {"level": "info", "cluster": "${cluster.name}", "env": "${cluster.labels.env}"}
        ),
    }


def second() -> dict[str, str]:
    """A new image, and a promotion."""
    return {
        **first(),
        **_below("apps/storefront", _chart(NEW)),
        PROMOTION: manifests.config("promotion", {"banner": "Winter sale: 20 % off"}),
    }


def third() -> dict[str, str]:
    """The promotion is over: its manifest is deleted."""
    return _without(second(), [PROMOTION])


def fourth() -> dict[str, str]:
    """A whole bundle is deleted: this one waits for a person."""
    return _without(third(), [path for path in third() if path.startswith(POLICIES)])


def _chart(version: str) -> dict[str, str]:
    """A Helm chart, with a file of values for each environment."""
    settings = "name: storefront\nnamespace: shop\nlabels: {team: web}\n"
    image, replicas = "{{ .Values.image }}:{{ .Chart.AppVersion }}", "{{ .Values.replicas }}"
    return {
        "flotilla.yaml": f"{settings}helm:\n  valuesFiles: ['env/${{cluster.labels.env}}.yaml']\n",
        "Chart.yaml": f"apiVersion: v2\nname: storefront\nversion: 1.0.0\nappVersion: {version}\n",
        "values.yaml": f"image: {IMAGE}\nreplicas: 1\n",
        **{f"env/{env}.yaml": f"replicas: {count}\n" for env, count in REPLICAS.items()},
        "templates/deployment.yaml": manifests.deployment("storefront", image, replicas=replicas),
        "templates/service.yaml": manifests.service("storefront"),
        "templates/settings.yaml": manifests.config("storefront-settings", {"currency": "EUR", "theme": "classic"}),
    }


def _kustomizations() -> dict[str, str]:
    """A Kustomize base, and an overlay for each environment that has it."""
    overlays = "".join(
        f"  - matchLabels: {{env: {env}}}\n    kustomize: {{dir: overlays/{env}}}\n" for env in CHECKOUT_REPLICAS
    )
    base = f"{_KUSTOMIZATION}resources: [deployment.yaml, service.yaml]\n"
    return {
        "flotilla.yaml": f"name: checkout\nnamespace: shop\ntargets:\n{overlays}",
        "base/kustomization.yaml": base,
        "base/deployment.yaml": manifests.deployment("checkout", "registry.example.com/checkout:2.1.3", replicas=1),
        "base/service.yaml": manifests.service("checkout"),
        "overlays/staging/kustomization.yaml": f"{_KUSTOMIZATION}resources: [../../base]\n",
        "overlays/prod/kustomization.yaml": (
            f"{_KUSTOMIZATION}resources: [../../base, disruption.yaml]\n"
            f"replicas: [{{name: checkout, count: {CHECKOUT_REPLICAS['prod']}}}]\n"
        ),
        "overlays/prod/disruption.yaml": manifests.disruption("checkout"),
    }


def _below(directory: str, files: Files) -> dict[str, str]:
    return {f"{directory}/{path}": text for path, text in files.items()}


def _without(files: Files, gone: Iterable[str]) -> dict[str, str]:
    left = set(files) - set(gone)
    return {path: text for path, text in files.items() if path in left}
