"""Images that do not exist, and what is said about them."""

import pytest

from agents.sandbox import images


@pytest.mark.parametrize("image", ["nginx:1", "registry.example.com/shop/web@sha256:00", ""])
def test_most_images_are_there(image: str) -> None:
    assert images.problem(image) is None


@pytest.mark.parametrize(
    ("image", "whole", "cause"),
    [
        ("nginx:does-not-exist", "docker.io/library/nginx:does-not-exist", "not found"),
        ("does-not-exist", "docker.io/library/does-not-exist:latest", "not found"),
        ("shop/does-not-exist:1", "docker.io/shop/does-not-exist:1", "not found"),
        ("localhost/does-not-exist:1", "localhost/does-not-exist:1", "not found"),
        ("localhost:5000/does-not-exist", "localhost:5000/does-not-exist:latest", "not found"),
        ("does-not-exist.example/web:1", "does-not-exist.example/web:1", "lookup does-not-exist.example: no such host"),
    ],
)
def test_what_is_said_about_those_that_are_not(image: str, whole: str, cause: str) -> None:
    said = images.problem(image) or ""

    assert said.startswith(f'Back-off pulling image "{image}": ErrImagePull: rpc error: code = ')
    assert f'failed to resolve reference "{whole}": ' in said
    assert said.endswith(cause)
