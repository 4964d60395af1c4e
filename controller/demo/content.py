"""What the demo's repository holds, commit by commit: paths and texts."""

from collections.abc import Iterable, Mapping

Files = Mapping[str, str]

STOREFRONT_OLD = "registry.example.com/storefront:1.4.0"
STOREFRONT_NEW = "registry.example.com/storefront:1.5.0"
PROMOTION = "apps/storefront/promotion.yaml"
POLICIES = "platform/policies"


def first() -> dict[str, str]:
    """The first commit: two applications and two platform bundles."""
    return {
        "README.md": "What runs on our fleet. A merge to main is a deployment.\n",
        "apps/storefront/flotilla.yaml": "name: storefront\ndefaultNamespace: shop\nlabels: {team: web}\n",
        "apps/storefront/deployment.yaml": _deployment("storefront", STOREFRONT_OLD, replicas=2),
        "apps/storefront/service.yaml": _service("storefront"),
        "apps/storefront/settings.yaml": _config("storefront-settings", {"currency": "EUR", "theme": "classic"}),
        "apps/checkout/flotilla.yaml": (
            "name: checkout\ndefaultNamespace: shop\n"
            "targets:\n  - matchExpressions:\n      - {key: env, operator: In, values: [staging, prod]}\n"
        ),
        "apps/checkout/deployment.yaml": _deployment("checkout", "registry.example.com/checkout:2.1.3", replicas=2),
        "apps/checkout/service.yaml": _service("checkout"),
        "apps/checkout/disruption.yaml": _disruption("checkout"),
        "platform/policies/flotilla.yaml": "name: policies\nnamespace: shop\n",
        "platform/policies/network.yaml": _network_policy("default-deny"),
        "platform/policies/quota.yaml": _quota("shop"),
        "platform/agents/flotilla.yaml": "name: node-agents\ndefaultNamespace: platform\n",
        "platform/agents/account.yaml": _account("log-shipper"),
        "platform/agents/settings.yaml": _config("log-shipper", {"level": "info"}),
    }


def second() -> dict[str, str]:
    """A new image, and a promotion."""
    return {
        **first(),
        "apps/storefront/deployment.yaml": _deployment("storefront", STOREFRONT_NEW, replicas=3),
        PROMOTION: _config("promotion", {"banner": "Winter sale: 20 % off"}),
    }


def third() -> dict[str, str]:
    """The promotion is over: its manifest is deleted."""
    return _without(second(), [PROMOTION])


def fourth() -> dict[str, str]:
    """A whole bundle is deleted: this one waits for a person."""
    return _without(third(), [path for path in third() if path.startswith(POLICIES)])


def _without(files: Files, gone: Iterable[str]) -> dict[str, str]:
    left = set(files) - set(gone)
    return {path: text for path, text in files.items() if path in left}


def _deployment(name: str, image: str, *, replicas: int) -> str:
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  labels: {{app: {name}}}
spec:
  replicas: {replicas}
  selector:
    matchLabels: {{app: {name}}}
  template:
    metadata:
      labels: {{app: {name}}}
    spec:
      containers:
        - name: {name}
          image: {image}
          ports:
            - {{name: http, containerPort: 8080}}
          resources:
            requests: {{cpu: 50m, memory: 64Mi}}
"""


def _service(name: str) -> str:
    return f"""\
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec:
  selector: {{app: {name}}}
  ports:
    - {{name: http, port: 80, targetPort: http}}
"""


def _config(name: str, data: Mapping[str, str]) -> str:
    lines = "".join(f'  {key}: "{value}"\n' for key, value in data.items())
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata:\n{lines}"


def _disruption(name: str) -> str:
    return f"""\
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: {name}}}
spec:
  minAvailable: 1
  selector:
    matchLabels: {{app: {name}}}
"""


def _network_policy(name: str) -> str:
    return f"""\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: {name}}}
spec:
  podSelector: {{}}
  policyTypes: [Ingress]
"""


def _quota(name: str) -> str:
    return f"""\
apiVersion: v1
kind: ResourceQuota
metadata: {{name: {name}}}
spec:
  hard: {{pods: "50", requests.cpu: "20"}}
"""


def _account(name: str) -> str:
    return f"apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}}}\n"
