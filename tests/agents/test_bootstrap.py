"""How the daemon ends."""

import asyncio
import gc
import os
import signal
from pathlib import Path
from typing import Any

from agents import bootstrap, enrolling, hub_api, identities, settings
from agents.kube import access


async def test_a_signal_ends_it_without_a_complaint(tmp_path: Path) -> None:
    """As it ends while nobody let its agent in yet."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    nowhere = access.Access(kubeconfig=tmp_path / "kubeconfig", context="")
    file = tmp_path / identities.FILE_NAME
    newcomer = enrolling.Newcomer("http://127.0.0.1:9", "a-token", hub_api.Trust(), nowhere, file)

    exported = bootstrap.telemetry_opened()
    try:
        around = bootstrap.surroundings(exported)
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(
                bootstrap.serve([newcomer], tmp_path, options=settings.Settings(), around=around)
            )
            await asyncio.sleep(0)  # its first step, which takes the signals
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        exported.close()
    gc.collect()
    await asyncio.sleep(0)

    assert (serving.result(), complaints) == (0, [])
