"""The flow, on a server of its own that is gone afterwards."""

import asyncio

from backslide_flow import backslide_watch
from prefect.client.orchestration import get_client
from prefect.testing.utilities import prefect_test_harness


async def kept():
    async with get_client() as client:
        return await client.read_artifacts()


with prefect_test_harness(server_startup_timeout=300):
    state = backslide_watch(return_state=True)
    (artifact,) = asyncio.run(kept())
status = "alarm" if "Alarm" in artifact.data else "quiet"
print("ANSWER", "good" if state.is_completed() else "alarm", status, artifact.key)
