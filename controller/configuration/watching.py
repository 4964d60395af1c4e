"""The configuration file over time.

A change counts once two looks in a row agree on it: an editor or a mount that writes in steps shows half a file in
between. What cannot be read is a problem that is shown, and changes nothing.
"""

import asyncio
import pathlib
from collections.abc import Sequence

import structlog

from controller import errors, transact
from controller.configuration import applying, reading
from controller.domain import documents, rejections
from controller.store import records

logger = structlog.get_logger(__name__)

INTERVAL_S = 5.0
"""Between two looks: a change is in force within ten seconds."""


class Configuration:
    """What the file declares, and what is wrong with it."""

    def __init__(self, path: pathlib.Path, transactor: transact.Transactor, accounts: applying.Accounts) -> None:
        self._path = path
        self._transactor = transactor
        self._accounts = accounts
        self._seen = b""
        """Fingerprint of the files at the last look."""
        self._read = b""
        """Fingerprint of the files that `_declared` was read from."""
        self._declared: Sequence[documents.Document] = ()
        self.agent_keys: dict[str, str] = {}
        """The public keys that the file names for clusters' agents, by the cluster's name."""
        self.problem = ""
        """Why the file is not in force; empty: it is."""

    async def run(self) -> None:
        """Look again and again, for ever."""
        while True:
            await self.look()
            await asyncio.sleep(INTERVAL_S)

    async def look(self) -> int:
        """Read the file and make it true if the look before saw the same; return how many events that took."""
        try:
            if not await self._refreshed():
                return 0
            count = await applying.reconcile(self._transactor, self._accounts, self._declared, origin=self._path.name)
        except (errors.HubError, rejections.Rejection, transact.ContendedError, records.StoreError) as error:
            self._report(str(error))
            return 0
        self.agent_keys = _agent_keys(self._declared)
        self._report("")
        return count

    async def _refreshed(self) -> bool:
        """Is what was read what stands there? What is declared is only read anew when the files changed."""
        found = await asyncio.to_thread(reading.contents, self._path)
        before, self._seen = self._seen, reading.fingerprint(found)
        if before and before != self._seen:
            return False
        if self._read != self._seen:
            self._declared = await asyncio.to_thread(reading.declared, found)
            self._read = self._seen
        return True

    def _report(self, problem: str) -> None:
        if problem and problem != self.problem:
            logger.error("configuration is not in force", path=str(self._path), reason=problem)
        elif self.problem and not problem:
            logger.info("configuration is in force again", path=str(self._path))
        self.problem = problem


def _agent_keys(found: Sequence[documents.Document]) -> dict[str, str]:
    return {
        one.name: one.spec.agent_key
        for one in found
        if isinstance(one.spec, documents.ClusterSpec) and one.spec.agent_key
    }
