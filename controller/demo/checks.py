"""What a cluster is asked, to see whether what the hub says is so."""

from collections.abc import Awaitable, Callable, Mapping

from controller.demo import clients, content

NAMESPACE = "shop"
PROMOTION = f"api/v1/namespaces/{NAMESPACE}/configmaps/promotion"
QUOTA = f"api/v1/namespaces/{NAMESPACE}/resourcequotas/shop"
STOREFRONT = f"apis/apps/v1/namespaces/{NAMESPACE}/deployments/storefront"
CHECKOUT = f"apis/apps/v1/namespaces/{NAMESPACE}/deployments/checkout"
SHIPPER = "api/v1/namespaces/platform/configmaps/log-shipper"

Check = Callable[[clients.ClusterClient], Awaitable[bool]]


def runs(version: str) -> Check:
    """The storefront of this version."""

    async def check(cluster: clients.ClusterClient) -> bool:
        found = await cluster.find(STOREFRONT)
        image = f"{content.IMAGE}:{version}"
        return found is not None and bool(found["spec"]["template"]["spec"]["containers"][0]["image"] == image)

    return check


def scaled(path: str, replicas: int) -> Check:
    """A Deployment of so many replicas; of none: there is no such Deployment."""

    async def check(cluster: clients.ClusterClient) -> bool:
        found = await cluster.find(path)
        return (found["spec"]["replicas"] if found is not None else 0) == replicas

    return check


def says(path: str, key: str, value: str) -> Check:
    """A ConfigMap with this value."""

    async def check(cluster: clients.ClusterClient) -> bool:
        found = await cluster.find(path)
        return found is not None and bool(found["data"].get(key) == value)

    return check


def replicas(of: Mapping[str, int]) -> str:
    """The most first: `prod runs 3 replicas, staging 2, dev 1`."""
    (env, most), *others = sorted(of.items(), key=lambda one: -one[1])
    return ", ".join([f"{env} runs {most} replicas", *(f"{other} {count}" for other, count in others)])


def exists(path: str) -> Check:
    """Something is there."""

    async def check(cluster: clients.ClusterClient) -> bool:
        return await cluster.find(path) is not None

    return check


def missing(path: str) -> Check:
    """Nothing is there."""

    async def check(cluster: clients.ClusterClient) -> bool:
        return await cluster.find(path) is None

    return check
