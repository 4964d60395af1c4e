"""The manifests of which the demo's repository is made, as texts."""

from collections.abc import Mapping


def deployment(name: str, image: str, *, replicas: int | str) -> str:
    """A Deployment of one container; `image` and `replicas` may be a template's words."""
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


def service(name: str) -> str:
    """A Service of what is labelled so."""
    return f"""\
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec:
  selector: {{app: {name}}}
  ports:
    - {{name: http, port: 80, targetPort: http}}
"""


def config(name: str, data: Mapping[str, str]) -> str:
    """A ConfigMap."""
    lines = "".join(f'  {key}: "{value}"\n' for key, value in data.items())
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata:\n{lines}"


def disruption(name: str) -> str:
    """A PodDisruptionBudget: one Pod stays."""
    return f"""\
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: {name}}}
spec:
  minAvailable: 1
  selector:
    matchLabels: {{app: {name}}}
"""


def network_policy(name: str) -> str:
    """Nothing comes in."""
    return f"""\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: {name}}}
spec:
  podSelector: {{}}
  policyTypes: [Ingress]
"""


def quota(name: str) -> str:
    """A ResourceQuota."""
    return f"""\
apiVersion: v1
kind: ResourceQuota
metadata: {{name: {name}}}
spec:
  hard: {{pods: "50", requests.cpu: "20"}}
"""


def account(name: str) -> str:
    """A ServiceAccount."""
    return f"apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}}}\n"
