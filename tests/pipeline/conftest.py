"""The plant: a store, tasks and workers for each test."""

import pytest

from tests.pipeline.plant import Plant


@pytest.fixture
async def plant():
    return await Plant().open()
