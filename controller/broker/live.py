"""The door to what agents hear at once: core NATS on their live subjects, stored nowhere."""

from controller.broker import connection
from protocol import ids, subjects


class Live:
    """Speaks to agents that listen."""

    def __init__(self, link: connection.Connection) -> None:
        self._link = link

    async def send(self, cluster: ids.ClusterId, body: bytes) -> None:
        """Say it to the cluster's agent; nobody need be there to hear it. Raise Unavailable if it cannot be sent."""
        await self._link.send(subjects.live(cluster), body)
