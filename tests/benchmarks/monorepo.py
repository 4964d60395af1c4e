"""A monorepo as platform teams have them: plain manifests, kustomizations and charts, a third each, and its fleet.

Of each kind, of a hundred bundles:
- 84 ask nothing of a cluster: one content for the whole fleet;
- 10 have one input of three values, `env`: a file of values of the chart, a directory of the kustomization, or an
  overlay of the manifests, which the settings name by the label;
- 4 put the label `region`, of four values, into what was rendered;
- 2 have an input of 40 values, `variant`: charts get it as a value and are templated 40 times; of the other kinds it is
  a variable in the output, replaced 40 times in what was rendered once.

Every second bundle has a target of its own that matches the whole fleet, as a narrowing by label would.
"""

import enum
from collections.abc import Iterator

import msgspec

from controller.domain import inputs

VARIANTS = 40
ENVIRONMENTS = ("dev", "staging", "prod")
REGIONS = ("eu", "us", "ap", "sa")
HUNDRED = 100


class Kind(enum.StrEnum):
    """What renders a bundle."""

    RAW = "raw"
    KUSTOMIZE = "kustomize"
    HELM = "helm"


class Asks(enum.Enum):
    """What a bundle's content depends on, and how many values that has."""

    NOTHING = 1
    ENVIRONMENT = len(ENVIRONMENTS)
    REGION = len(REGIONS)
    VARIANT = VARIANTS


class Bundle(msgspec.Struct, frozen=True):
    """One bundle to be."""

    name: str
    kind: Kind
    asks: Asks

    @property
    def path(self) -> str:
        """In the repository."""
        return f"apps/{self.name}"

    @property
    def stages(self) -> int:
        """How often its renderer must run."""
        if self.asks is Asks.ENVIRONMENT or (self.kind is Kind.HELM and self.asks is Asks.VARIANT):
            return self.asks.value
        return 1


def bundles(count: int) -> tuple[Bundle, ...]:
    """The bundles of the monorepo, kinds in turn."""
    kinds = list(Kind)
    return tuple(
        Bundle(f"app-{number:04}", kinds[number % 3], _asks(number // 3 * HUNDRED // max(1, count // 3) % HUNDRED))
        for number in range(count)
    )


def _asks(percent: int) -> Asks:
    """Evenly spread over the kind's bundles, whatever their number."""
    for bound, asks in ((2, Asks.VARIANT), (6, Asks.REGION), (16, Asks.ENVIRONMENT)):
        if percent < bound:
            return asks
    return Asks.NOTHING


def fleet(count: int) -> tuple[inputs.Facts, ...]:
    """Clusters in 40 variants; each combination of the other labels is met, too."""
    return tuple(
        inputs.Facts(
            name=f"edge-{number:04}",
            labels={
                "env": ENVIRONMENTS[number % 3],
                "region": REGIONS[number % 4],
                "variant": str(number % VARIANTS),
                "tier": "edge",
                "provider": "metal",
            },
            kubernetes_version="v1.35.4",
        )
        for number in range(count)
    )


def files(of: tuple[Bundle, ...]) -> dict[str, str]:
    """Everything that stands in the repository."""
    found = {"README.md": "The monorepo.\n"}
    for bundle in of:
        found.update({f"{bundle.path}/{path}": text for path, text in _files(bundle)})
    return found


def _files(bundle: Bundle) -> Iterator[tuple[str, str]]:
    said = {Kind.RAW: _raw, Kind.KUSTOMIZE: _kustomize, Kind.HELM: _helm}[bundle.kind](bundle)
    yield from said
    targets = "" if int(bundle.name[-1]) % 2 else "targets: [{matchLabels: {tier: edge}}]\n"
    yield "flotilla.yaml", f"name: {bundle.name}\ndefaultNamespace: {bundle.name}\n{targets}{_settings(bundle)}"


def _settings(bundle: Bundle) -> str:
    if bundle.asks is Asks.ENVIRONMENT:
        return {
            Kind.RAW: "overlays: ['${cluster.labels.env}']\n",
            Kind.KUSTOMIZE: "kustomize: {dir: 'env/${cluster.labels.env}'}\n",
            Kind.HELM: "helm: {valuesFiles: ['env/${cluster.labels.env}.yaml']}\n",
        }[bundle.kind]
    if bundle.asks is Asks.VARIANT and bundle.kind is Kind.HELM:
        return "helm: {values: {config: {variant: 'v${cluster.labels.variant}'}}}\n"
    return ""


def _variable(bundle: Bundle) -> str:
    """What stands in the manifests for what the cluster has."""
    if bundle.asks is Asks.REGION:
        return "${cluster.labels.region}"
    return "v${cluster.labels.variant}" if bundle.asks is Asks.VARIANT and bundle.kind is not Kind.HELM else "none"


def _raw(bundle: Bundle) -> Iterator[tuple[str, str]]:
    yield "deployment.yaml", deployment(bundle.name)
    yield "service.yaml", service(bundle.name)
    yield "config.yaml", config(bundle.name, _variable(bundle))
    yield "autoscaler.yaml", autoscaler(bundle.name)
    if bundle.asks is Asks.ENVIRONMENT:
        for name in ENVIRONMENTS:
            yield f"overlays/{name}/config.yaml", config(bundle.name, name)


def _kustomize(bundle: Bundle) -> Iterator[tuple[str, str]]:
    head = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
    base = "base/" if bundle.asks is Asks.ENVIRONMENT else ""
    resources = "resources: [deployment.yaml, service.yaml, autoscaler.yaml, config.yaml]\n"
    labels = f"labels: [{{pairs: {{team: {bundle.name}}}}}]\n"
    yield f"{base}kustomization.yaml", f"{head}{resources}{labels}"
    yield f"{base}deployment.yaml", deployment(bundle.name)
    yield f"{base}service.yaml", service(bundle.name)
    yield f"{base}config.yaml", config(bundle.name, _variable(bundle))
    yield f"{base}autoscaler.yaml", autoscaler(bundle.name)
    if base:
        for place, name in enumerate(ENVIRONMENTS):
            replicas = f"replicas: [{{name: {bundle.name}, count: {place + 2}}}]\n"
            yield f"env/{name}/kustomization.yaml", f"{head}resources: [../../base]\n{replicas}"


def _helm(bundle: Bundle) -> Iterator[tuple[str, str]]:
    yield "Chart.yaml", f"apiVersion: v2\nname: {bundle.name}\nversion: 1.0.0\nappVersion: 1.4.0\n"
    yield (
        "values.yaml",
        (
            "replicas: 3\nimage: {repository: registry.example.com/shop/web, tag: 1.4.0}\n"
            f"config: {{logLevel: info, timeoutSeconds: 30, variant: '{_variable(bundle)}'}}\n"
            "resources:\n  requests: {cpu: 100m, memory: 128Mi}\n  limits: {cpu: '1', memory: 256Mi}\n"
        ),
    )
    yield (
        "templates/_helpers.tpl",
        (
            '{{- define "labels" -}}\napp.kubernetes.io/name: {{ .Chart.Name }}\n'
            "app.kubernetes.io/instance: {{ .Release.Name }}\n"
            "app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}\n"
            "{{- end -}}\n"
        ),
    )
    image = '"{{ .Values.image.repository }}:{{ .Values.image.tag }}"'
    yield (
        "templates/deployment.yaml",
        deployment(
            "{{ .Release.Name }}",
            replicas="{{ .Values.replicas }}",
            image=image,
            labels='{{- include "labels" . | nindent 4 }}',
            resources="{{- toYaml .Values.resources | nindent 10 }}",
        ),
    )
    yield "templates/service.yaml", service("{{ .Release.Name }}")
    yield (
        "templates/config.yaml",
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n"
            "  {{- range $key, $value := .Values.config }}\n  {{ $key }}: {{ $value | quote }}\n  {{- end }}\n"
        ),
    )
    yield "templates/autoscaler.yaml", autoscaler("{{ .Release.Name }}")
    if bundle.asks is Asks.ENVIRONMENT:
        for place, name in enumerate(ENVIRONMENTS):
            yield f"env/{name}.yaml", f"replicas: {place + 2}\nconfig: {{logLevel: {name}}}\n"


def deployment(
    name: str,
    *,
    replicas: str = "3",
    image: str = "registry.example.com/shop/web:1.4.0",
    labels: str = "",
    resources: str = "\n          requests: {cpu: 100m, memory: 128Mi}\n          limits: {cpu: '1', memory: 256Mi}",
) -> str:
    """A Deployment as people write them."""
    own = labels or f"\n    app.kubernetes.io/name: {name}"
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  labels:
    {own.strip()}
spec:
  replicas: {replicas}
  revisionHistoryLimit: 3
  selector:
    matchLabels:
      app: {name}
  template:
    metadata:
      labels:
        app: {name}
      annotations:
        prometheus.io/scrape: "true"
        prometheus.io/port: "8080"
    spec:
      serviceAccountName: default
      terminationGracePeriodSeconds: 30
      containers:
      - name: web
        image: {image}
        args: ["--port=8080", "--verbose"]
        ports:
        - containerPort: 8080
          name: http
          protocol: TCP
        env:
        - name: LOG_LEVEL
          valueFrom:
            configMapKeyRef:
              name: {name}
              key: logLevel
        - name: DATABASE_URL
          valueFrom:
            secretKeyRef:
              name: database
              key: url
        resources:{" " if resources.startswith("{") else ""}{resources}
        readinessProbe:
          httpGet:
            path: /healthz
            port: http
          periodSeconds: 10
        livenessProbe:
          httpGet:
            path: /healthz
            port: http
          initialDelaySeconds: 30
        securityContext:
          allowPrivilegeEscalation: false
          readOnlyRootFilesystem: true
          runAsNonRoot: true
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: kubernetes.io/hostname
        whenUnsatisfiable: ScheduleAnyway
        labelSelector:
          matchLabels:
            app: {name}
"""


def service(name: str) -> str:
    """Its Service."""
    return (
        f"apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\nspec:\n  type: ClusterIP\n  selector:\n"
        f"    app: {name}\n  ports:\n  - name: http\n    port: 80\n    targetPort: http\n"
    )


def config(name: str, value: str) -> str:
    """Its configuration."""
    return (
        f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  logLevel: info\n"
        f"  variant: {value!r}\n  settings.ini: |\n    [server]\n    port = 8080\n    timeout = 30\n"
    )


def autoscaler(name: str) -> str:
    """Its autoscaler."""
    return (
        f"apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata:\n  name: {name}\nspec:\n"
        f"  scaleTargetRef:\n    apiVersion: apps/v1\n    kind: Deployment\n    name: {name}\n"
        "  minReplicas: 3\n  maxReplicas: 10\n  metrics:\n  - type: Resource\n    resource:\n      name: cpu\n"
        "      target:\n        type: Utilization\n        averageUtilization: 80\n"
    )
