"""What the server fills in when a built-in object leaves it out: the defaults of the kinds that people deploy."""

import base64
from collections.abc import Callable, Mapping

from agents.sandbox.schema import Json, Object

Default = Callable[[Object], Object]


def filled(kind: tuple[str, str], value: Object) -> Object:
    """Return an object with its defaults; the very object when it has them all."""
    default = _DEFAULTS.get(kind)
    return default(value) if default else value


def _with(value: Object, defaults: Mapping[str, Json]) -> Object:
    missing = {name: default for name, default in defaults.items() if value.get(name) is None}
    return {**value, **missing} if missing else value


def _at(value: Object, path: tuple[str, ...], change: Callable[[Json], Json]) -> Object:
    """Return the object with a change made at a path, if there is something at it and the change changes it."""
    head, rest = path[0], path[1:]
    child = value.get(head)
    if child is None:
        return value
    changed = _at(child, rest, change) if rest else change(child)
    return value if changed is child else {**value, head: changed}


def _each(items: list[Json], change: Callable[[Json], Json]) -> list[Json]:
    changed = [change(item) for item in items]
    return items if all(after is before for after, before in zip(changed, items, strict=True)) else changed


def _probe(probe: Object) -> Object:
    probe = _at(probe, ("httpGet",), lambda get: _with(get, {"path": "/", "scheme": "HTTP"}))
    return _with(probe, {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3})


def _pull_policy(image: str) -> str:
    name = image.rsplit("/", 1)[-1]
    latest = "@" not in name and (":" not in name or name.endswith(":latest"))
    return "Always" if latest else "IfNotPresent"


_CONTAINER = {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File", "resources": {}}


def _container(container: Object) -> Object:
    defaults = {**_CONTAINER, "imagePullPolicy": _pull_policy(container.get("image", ""))}
    container = _with(container, defaults)
    container = _at(container, ("ports",), lambda ports: _each(ports, lambda port: _with(port, {"protocol": "TCP"})))
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        container = _at(container, (probe,), _probe)
    return _at(container, ("env",), lambda variables: _each(variables, _variable))


def _variable(variable: Object) -> Object:
    return _at(variable, ("valueFrom", "fieldRef"), lambda ref: _with(ref, {"apiVersion": "v1"}))


_MODE = 0o644


def _volume(volume: Object) -> Object:
    for source in ("configMap", "secret", "projected", "downwardAPI"):
        volume = _at(volume, (source,), lambda found: _with(found, {"defaultMode": _MODE}))
    return _at(volume, ("hostPath",), lambda found: _with(found, {"type": ""}))


_POD_SPEC = {
    "restartPolicy": "Always",
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
    "securityContext": {},
    "terminationGracePeriodSeconds": 30,
}


def _pod_spec(spec: Object) -> Object:
    spec = _with(spec, _POD_SPEC)
    if spec.get("serviceAccountName") and not spec.get("serviceAccount"):
        spec = {**spec, "serviceAccount": spec["serviceAccountName"]}  # the old name of the field is kept in step
    for containers in ("containers", "initContainers"):
        spec = _at(spec, (containers,), lambda found: _each(found, _container))
    return _at(spec, ("volumes",), lambda volumes: _each(volumes, _volume))


def _templated(value: Object, defaults: Mapping[str, Json], *, path: tuple[str, ...] = ("spec",)) -> Object:
    value = _at(value, path, lambda spec: _with(spec, defaults))
    return _at(value, (*path, "template", "spec"), _pod_spec)


_ROLLING = {"maxSurge": "25%", "maxUnavailable": "25%"}


def _rolling(strategy: Object, defaults: Mapping[str, Json]) -> Object:
    strategy = _with(strategy, {"type": "RollingUpdate"})
    if strategy["type"] != "RollingUpdate":
        return strategy
    return _at(_with(strategy, {"rollingUpdate": {}}), ("rollingUpdate",), lambda found: _with(found, defaults))


def _deployment(value: Object) -> Object:
    defaults = {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600, "strategy": {}}
    value = _templated(value, defaults)
    return _at(value, ("spec", "strategy"), lambda strategy: _rolling(strategy, _ROLLING))


def _stateful_set(value: Object) -> Object:
    defaults = {"replicas": 1, "revisionHistoryLimit": 10, "podManagementPolicy": "OrderedReady", "updateStrategy": {}}
    retention = {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"}}
    value = _templated(value, {**defaults, **retention})
    value = _at(value, ("spec", "updateStrategy"), lambda strategy: _rolling(strategy, {"partition": 0}))
    return _at(value, ("spec", "volumeClaimTemplates"), lambda claims: _each(claims, _claim_template))


def _claim_template(claim: Object) -> Object:
    claim = _with(claim, {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "status": {}})
    return _at(_claim(claim), ("status",), lambda status: _with(status, {"phase": "Pending"}))


def _daemon_set(value: Object) -> Object:
    value = _templated(value, {"revisionHistoryLimit": 10, "updateStrategy": {}})
    defaults = {"maxSurge": 0, "maxUnavailable": 1}
    return _at(value, ("spec", "updateStrategy"), lambda strategy: _rolling(strategy, defaults))


def _replica_set(value: Object) -> Object:
    return _templated(value, {"replicas": 1})


_JOB_SPEC = {
    "backoffLimit": 6,
    "completionMode": "NonIndexed",
    "manualSelector": False,
    "podReplacementPolicy": "TerminatingOrFailed",
    "suspend": False,
}


def _job_spec(spec: Object) -> Object:
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec = {**spec, "completions": 1, "parallelism": 1}
    return _with(spec, {"parallelism": 1})


def _job(value: Object) -> Object:
    return _at(_templated(value, _JOB_SPEC), ("spec",), _job_spec)


def _cron_job(value: Object) -> Object:
    limits = {"successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1}
    value = _at(value, ("spec",), lambda spec: _with(spec, {"concurrencyPolicy": "Allow", "suspend": False, **limits}))
    return _templated(value, {}, path=("spec", "jobTemplate", "spec"))


def _requested(container: Object) -> Object:
    """Request what is limited: the server does so in Pods, not in the templates of Pods."""
    resources = container.get("resources") or {}
    limits, requests = resources.get("limits"), resources.get("requests") or {}
    if not limits or limits.keys() <= requests.keys():
        return container
    return {**container, "resources": {**resources, "requests": {**limits, **requests}}}


def _pod(value: Object) -> Object:
    value = _at(value, ("spec", "containers"), lambda found: _each(found, _requested))
    value = _at(value, ("spec",), lambda spec: _with(spec, {"enableServiceLinks": True}))
    return _at(value, ("spec",), _pod_spec)


def _pod_template(value: Object) -> Object:
    return _at(value, ("template", "spec"), _pod_spec)


def _service(value: Object) -> Object:
    defaults: Object = {"type": "ClusterIP", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster"}
    spec = value.get("spec") or {}
    if spec.get("type") in ("NodePort", "LoadBalancer"):
        defaults["externalTrafficPolicy"] = "Cluster"
    if spec.get("type") == "LoadBalancer":
        defaults["allocateLoadBalancerNodePorts"] = True
    if spec.get("type") == "ExternalName":
        defaults = {"sessionAffinity": "None"}
    value = _at(value, ("spec",), lambda found: _with(found, defaults))
    return _at(value, ("spec", "ports"), lambda ports: _each(ports, _service_port))


def _service_port(port: Object) -> Object:
    return _with(port, {"protocol": "TCP", "targetPort": port.get("port")})


def _secret(value: Object) -> Object:
    plain = value.get("stringData")
    if plain:
        encoded = {name: base64.b64encode(text.encode()).decode() for name, text in plain.items()}
        value = {name: found for name, found in value.items() if name != "stringData"}
        value["data"] = {**(value.get("data") or {}), **encoded}
    return _with(value, {"type": "Opaque"})


def _claim(value: Object) -> Object:
    return _at(value, ("spec",), lambda spec: _with(spec, {"volumeMode": "Filesystem"}))


def _volume_defaults(value: Object) -> Object:
    defaults = {"volumeMode": "Filesystem", "persistentVolumeReclaimPolicy": "Retain"}
    return _at(value, ("spec",), lambda spec: _with(spec, defaults))


_RBAC = "rbac.authorization.k8s.io"


def _role(value: Object) -> Object:
    return value if value.get("rules") else {**value, "rules": None}  # the one list that is written when empty


def _binding(value: Object) -> Object:
    value = _at(value, ("roleRef",), lambda ref: _with(ref, {"apiGroup": _RBAC}))
    return _at(value, ("subjects",), lambda subjects: _each(subjects, _subject))


def _subject(subject: Object) -> Object:
    return subject if subject.get("kind") == "ServiceAccount" else _with(subject, {"apiGroup": _RBAC})


def _network_policy(value: Object) -> Object:
    types = ["Ingress", "Egress"] if (value.get("spec") or {}).get("egress") else ["Ingress"]
    return _at(value, ("spec",), lambda spec: _with(spec, {"policyTypes": types}))


def _storage_class(value: Object) -> Object:
    return _with(value, {"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"})


def _autoscaler(value: Object) -> Object:
    return _at(value, ("spec",), lambda spec: _with(spec, {"minReplicas": 1}))


def _priority_class(value: Object) -> Object:
    return _with(value, {"preemptionPolicy": "PreemptLowerPriority"})


def _limit_range(value: Object) -> Object:
    return _at(value, ("spec", "limits"), lambda limits: _each(limits, _limit))


def _limit(limit: Object) -> Object:
    if limit.get("type") != "Container" or not (limit.get("default") or limit.get("max")):
        return limit
    highest = {**(limit.get("max") or {}), **(limit.get("default") or {})}
    asked = {**highest, **(limit.get("min") or {}), **(limit.get("defaultRequest") or {})}
    return {**limit, "default": highest, "defaultRequest": asked} if limit.get("defaultRequest") != asked else limit


def _definition(value: Object) -> Object:
    return _at(value, ("spec",), _definition_spec)


def _definition_spec(spec: Object) -> Object:
    names = spec.get("names") or {}
    kind = names.get("kind", "")
    defaults = {"singular": kind.lower(), "listKind": f"{kind}List"}
    spec = _at(spec, ("names",), lambda found: _with(found, defaults))
    return _with(spec, {"conversion": {"strategy": "None"}})


_DEFAULTS: Mapping[tuple[str, str], Default] = {
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("apps", "ReplicaSet"): _replica_set,
    ("batch", "Job"): _job,
    ("batch", "CronJob"): _cron_job,
    ("", "Pod"): _pod,
    ("", "PodTemplate"): _pod_template,
    ("", "Service"): _service,
    ("", "Secret"): _secret,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "PersistentVolume"): _volume_defaults,
    (_RBAC, "Role"): _role,
    (_RBAC, "ClusterRole"): _role,
    (_RBAC, "RoleBinding"): _binding,
    (_RBAC, "ClusterRoleBinding"): _binding,
    ("autoscaling", "HorizontalPodAutoscaler"): _autoscaler,
    ("scheduling.k8s.io", "PriorityClass"): _priority_class,
    ("", "LimitRange"): _limit_range,
    ("networking.k8s.io", "NetworkPolicy"): _network_policy,
    ("storage.k8s.io", "StorageClass"): _storage_class,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
}
