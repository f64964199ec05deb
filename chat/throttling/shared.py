"""The interface of a storage of counters that all processes share."""

import anyio
from limits.aio.storage import Storage


class SharedStorage(Storage):
    """Counters shared by all processes."""

    STORAGE_SCHEME = None

    async def run(self) -> None:
        """Run the storage's upkeep until cancelled."""
        await anyio.sleep_forever()

    async def close(self) -> None:
        """Close its own connections."""
