"""Managers on every store that needs no server."""

from uuid import uuid4

import pytest

from longshore import QueueManager


@pytest.fixture(params=["memory", "sqlite"])
def url(request, tmp_path):
    """Of an empty store, the same one for every manager of the test."""
    return {"memory": f"memory://{uuid4().hex}", "sqlite": f"sqlite:///{tmp_path}/jobs.db"}[request.param]


@pytest.fixture
async def manager(url):
    """A manager over an empty store."""
    async with QueueManager(url) as opened:
        yield opened
