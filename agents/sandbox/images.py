"""Images that cannot be pulled: those that are named so, with what a kubelet and containerd say about them."""

from agents.sandbox.schema import Object

ABSENT = "does-not-exist"
"""An image with this in its registry, repository or tag is not there."""

LIBRARY = "docker.io/library"


def problem(image: str) -> str | None:
    """Return what a kubelet says while it backs off from pulling an image, or None for one that is there."""
    if ABSENT not in image:
        return None
    whole = _whole(image)
    registry = whole.partition("/")[0]
    cause = f"{whole}: not found"
    code = "NotFound"
    if ABSENT in registry:
        code = "Unknown"
        cause = f'failed to do request: Head "https://{registry}/v2/": dial tcp: lookup {registry}: no such host'
    return (
        f'Back-off pulling image "{image}": ErrImagePull: rpc error: code = {code} desc = failed to pull and unpack'
        f' image "{whole}": failed to resolve reference "{whole}": {cause}'
    )


def any_problem(spec: Object) -> str | None:
    """Return what is said about the first container of a Pod that cannot be pulled."""
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    return next((found for each in containers if (found := problem(each.get("image") or ""))), None)


def _whole(image: str) -> str:
    """Return the reference in full: Docker's registry, its library and the newest tag go without saying."""
    first, separator, rest = image.partition("/")
    if not separator:
        whole = f"{LIBRARY}/{image}"
    elif "." in first or ":" in first or first == "localhost":
        whole = image
    else:
        whole = f"docker.io/{first}/{rest}"
    return whole if ":" in whole.rpartition("/")[2] or "@" in whole else f"{whole}:latest"
