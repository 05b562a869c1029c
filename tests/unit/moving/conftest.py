"""A yard with two stores."""

import pytest

from tests.unit.moving.yard import Yard


@pytest.fixture
async def yard():
    made = await Yard().open()
    yield made
    await made.close()
