"""The flow, on a server of its own that is gone afterwards."""

import asyncio

from backslide_flow import backslide_watch
from prefect.client.orchestration import get_client
from prefect.testing.utilities import prefect_test_harness


async def kept():
    async with get_client() as client:
        return [one for one in await client.read_artifacts() if (one.key or "").startswith("backslide-")]


with prefect_test_harness(server_startup_timeout=300):
    state = backslide_watch(return_state=True)
    artifacts = asyncio.run(kept())
good = state.is_completed() and [one.key for one in artifacts] == ["backslide-loans"] and "Quiet" in artifacts[0].data
alarm = state.is_failed() and "loans:" in str(state.message) and "Alarm" in artifacts[0].data
print("ANSWER", "good" if good else "alarm" if alarm else "neither", state.message)
