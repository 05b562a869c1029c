"""The plant: a store, tasks and workers for each test; and the works, a manager with tasks for workflows."""

from uuid import uuid4

import pytest

from longshore import QueueManager
from tests.pipeline.plant import Plant
from tests.pipeline.works import Works


@pytest.fixture
async def plant():
    return await Plant().open()


@pytest.fixture(params=["memory", "sqlite"])
async def works(request, tmp_path):
    url = {"memory": f"memory://{uuid4().hex}", "sqlite": f"sqlite:///{tmp_path}/jobs.db"}[request.param]
    async with QueueManager(url) as manager:
        yield Works(manager)
