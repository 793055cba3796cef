"""The lost connections of the acceptance tests, with the client whose command, as JSON, is in CLIENT."""

import json
import os

import pytest

from core.bootstrap import Services
from tests.acceptance import test_exactly_once
from tests.acceptance.lost_connections import SCENARIOS, House, Scenario
from tests.stack import Stack

services, stack = test_exactly_once.services, test_exactly_once.stack


@pytest.mark.parametrize("lose", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_nobody_pays_twice_for(stack: Stack, services: Services, lose: Scenario) -> None:
    lose(House(stack, services, json.loads(os.environ["CLIENT"])))
