"""/metrics: what the front end itself was asked, and how long it took."""

from flask import Flask

from tests import builders
from tests.integration.api import lives
from tests.integration.api.house import House
from tests.integration.api.metrics import read


def test_requests_are_told_by_route_and_never_by_path(app: Flask, admin: dict[str, str]) -> None:
    client = app.test_client()
    client.get("/v1/images/jobs/0199d0c1-2345-7abc-8def-0123456789ab", headers=admin)
    client.get("/wp-login.php")
    client.open("/v1/models", method="BREW")

    found = read(client, admin)

    name = "darkroom_http_requests_total"
    assert found(name, method="GET", route="/v1/images/jobs/{job_id}", status="404") == 1
    assert found(name, method="GET", route="unmatched", status="404") == 1
    assert found(name, method="other", route="unmatched", status="405") == 1
    assert found("darkroom_http_request_seconds_count", route="/v1/images/jobs/{job_id}") == 1


def test_the_time_of_a_job_is_no_overhead_of_ours(house: House, admin: dict[str, str]) -> None:
    def complete(job_id: object) -> None:
        claim = builders.claim(house.services, house.admitted()[0])
        assert claim.job_id == job_id
        lives.land(house.services, claim, 0)
        lives.complete(house.services, claim)

    house.while_asked(complete)

    found = read(house.app.test_client(), admin)
    whole = found("darkroom_http_request_seconds_sum", route="/v1/images/generations")
    assert found("darkroom_http_overhead_seconds_count") == 1
    assert 0 < found("darkroom_http_overhead_seconds_sum") < whole
