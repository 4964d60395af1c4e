"""What the hub knows of Kubernetes' kinds without asking any cluster.

The scope of built-in kinds is fixed; of a custom kind only the cluster's discovery knows it. Where the hub is not sure
whether two manifests mean one object, it assumes that they do: that can only delay a deletion.
"""

from protocol import bundles, groups, ids

CLUSTER_SCOPED: frozenset[tuple[str, str]] = frozenset(
    {
        ("", "Namespace"),
        ("", "Node"),
        ("", "PersistentVolume"),
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
        ("apiregistration.k8s.io", "APIService"),
        ("certificates.k8s.io", "CertificateSigningRequest"),
        ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
        ("networking.k8s.io", "IngressClass"),
        ("node.k8s.io", "RuntimeClass"),
        ("rbac.authorization.k8s.io", "ClusterRole"),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
        ("scheduling.k8s.io", "PriorityClass"),
        ("storage.k8s.io", "CSIDriver"),
        ("storage.k8s.io", "CSINode"),
        ("storage.k8s.io", "StorageClass"),
        ("storage.k8s.io", "VolumeAttachment"),
    }
)

PROTECTED: frozenset[tuple[str, str]] = frozenset(
    {
        ("", "Namespace"),
        ("", "PersistentVolume"),
        ("", "PersistentVolumeClaim"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
        ("apps", "StatefulSet"),
    }
)
"""Kinds that hold data or other objects: deleting one always waits for a person."""

FREELY_PRUNABLE: frozenset[tuple[str, str]] = frozenset(
    {
        ("cert-manager.io", "Certificate"),
        ("gateway.networking.k8s.io", "GRPCRoute"),
        ("gateway.networking.k8s.io", "HTTPRoute"),
        ("monitoring.coreos.com", "PodMonitor"),
        ("monitoring.coreos.com", "Probe"),
        ("monitoring.coreos.com", "PrometheusRule"),
        ("monitoring.coreos.com", "ServiceMonitor"),
        ("networking.istio.io", "DestinationRule"),
        ("networking.istio.io", "VirtualService"),
        ("traefik.io", "IngressRoute"),
        ("traefik.io", "Middleware"),
    }
)
"""Custom kinds that hold no data and no other objects: routes, monitors, certificates that are issued again."""


def needs_approval(object_id: ids.ObjectId) -> bool:
    """Does deleting it always wait for a person?"""
    kind = (object_id.group, object_id.kind)
    return kind in PROTECTED or (object_id.group not in groups.BUILT_IN and kind not in FREELY_PRUNABLE)


def identity(object_id: ids.ObjectId, options: bundles.BundleOptions) -> ids.ObjectId:
    """The object that a manifest of a bundle means, as far as the hub can know.

    The namespace is the one in effect; empty for cluster-scoped kinds, and for a custom kind that names none.
    """
    if (object_id.group, object_id.kind) in CLUSTER_SCOPED:
        namespace = ""
    elif object_id.group in groups.BUILT_IN:
        namespace = options.namespace or object_id.namespace or options.default_namespace or "default"
    else:
        namespace = options.namespace or object_id.namespace
    return ids.ObjectId(group=object_id.group, kind=object_id.kind, namespace=namespace, name=object_id.name)


class Claims:
    """A set of identities that answers "may this be one of them?", erring towards yes."""

    def __init__(self) -> None:
        self._bundles: dict[tuple[str, str, str], dict[str, ids.BundleId]] = {}

    def add(self, one: ids.ObjectId, bundle: ids.BundleId) -> None:
        """Let the bundle claim the object; the first to claim it is the one that is named."""
        self._bundles.setdefault((one.group, one.kind, one.name), {}).setdefault(one.namespace, bundle)

    def claimant(self, one: ids.ObjectId) -> ids.BundleId | None:
        """The bundle that claims this object, or may; None if certainly none does."""
        spaces = self._bundles.get((one.group, one.kind, one.name))
        if spaces is None:
            return None
        if one.namespace in spaces:
            return spaces[one.namespace]
        # Only custom kinds without a namespace leave it open.
        if one.namespace == "":
            return next(iter(spaces.values()))
        return spaces.get("")
