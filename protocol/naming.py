"""Names fixed for ever: other people's clusters hold them, so they never change."""

FIELD_MANAGER = "flotilla"
PREFIX = "flotilla.gitops/"
API_VERSION = "flotilla.gitops/v1alpha1"
NAMESPACE = "flotilla-system"

CANARY_LABEL = f"{PREFIX}canary"
SUBSTITUTE_ANNOTATION = f"{PREFIX}substitute"
"""On an object: the value `disabled` leaves references to variables in it as they stand."""
PRUNE_ANNOTATION = f"{PREFIX}prune"
"""On an object: the value `never` releases it instead of deleting it."""
