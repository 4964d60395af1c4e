"""The order in which a bundle's objects are applied."""

import pytest

from protocol import ids, ordering
from protocol.ordering import Stage


@pytest.mark.parametrize(
    ("group", "kind", "stage"),
    [
        ("", "Namespace", Stage.NAMESPACES),
        ("example.com", "Namespace", Stage.REST),
        ("apiextensions.k8s.io", "CustomResourceDefinition", Stage.DEFINITIONS),
        ("apps", "Deployment", Stage.REST),
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", Stage.ADMISSION),
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration", Stage.ADMISSION),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy", Stage.REST),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding", Stage.ADMISSION),
    ],
)
def test_what_others_need_comes_first_and_what_may_refuse_them_last(group: str, kind: str, stage: Stage) -> None:
    assert ordering.stage_of(ids.ObjectId(group, kind, "", "a")) is stage
