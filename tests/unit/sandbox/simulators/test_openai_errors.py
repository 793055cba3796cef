from typing import TYPE_CHECKING

import openai
import pytest
from openai import OpenAI

if TYPE_CHECKING:
    from tests.unit.sandbox.simulators.conftest import Charges, Script

Refused = tuple[str, type[openai.APIStatusError], str | None]
REFUSED: list[Refused] = [
    ("rate_limit", openai.RateLimitError, "rate_limit_exceeded"),
    ("insufficient_quota", openai.RateLimitError, "insufficient_quota"),
    ("edge_throttled", openai.RateLimitError, None),
    ("billing_hard_limit", openai.BadRequestError, "billing_hard_limit_reached"),
    ("moderation_blocked", openai.BadRequestError, "moderation_blocked"),
    ("moderation_blocked_output", openai.BadRequestError, "moderation_blocked"),
    ("content_policy_violation", openai.BadRequestError, "content_policy_violation"),
    ("model_gone", openai.BadRequestError, "invalid_value"),
    ("invalid_api_key", openai.AuthenticationError, "invalid_api_key"),
    ("unverified_organization", openai.PermissionDeniedError, None),
    ("server_error", openai.InternalServerError, "server_error"),
    ("bad_gateway", openai.InternalServerError, None),
    ("service_unavailable", openai.InternalServerError, "server_error"),
    ("gateway_timeout", openai.InternalServerError, "server_error"),
]


@pytest.mark.parametrize("refused", REFUSED)
def test_a_scripted_refusal_is_the_sdks_error_and_costs_nothing(
    client: OpenAI, script: "Script", charges: "Charges", refused: Refused
) -> None:
    outcome, error, code = refused
    script(outcome)

    with pytest.raises(error) as raised:
        client.images.generate(model="dall-e-3", prompt="a fox")

    assert raised.value.code == code
    assert str(raised.value.request_id).startswith("req_")
    assert charges() == []


def test_magic_words_pick_the_outcome_and_moderation_says_its_stage(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as blocked:
        client.images.generate(model="gpt-image-2", prompt="a fox [[moderation_blocked_output]]")

    assert isinstance(blocked.value.body, dict)
    assert blocked.value.body["moderation_details"]["moderation_stage"] == "output"
    assert "safety_violations=[violence]." in blocked.value.message


def test_a_rate_limit_says_when_to_come_again(client: OpenAI) -> None:
    with pytest.raises(openai.RateLimitError) as limited:
        client.images.generate(model="gpt-image-2", prompt="[[rate_limit]]")

    headers = limited.value.response.headers
    assert (headers["retry-after"], headers["x-ratelimit-remaining-requests"]) == ("1", "0")
