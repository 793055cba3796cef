from api.dashboard.addresses import Address

JOBS = Address("/ops/jobs", {"state": "failed", "key": "k"})


def test_an_address_is_changed_in_one_respect() -> None:
    assert JOBS.but(key="other") == "/ops/jobs?state=failed&key=other"
    assert JOBS.but(lane="batch") == "/ops/jobs?state=failed&key=k&lane=batch"
    assert JOBS.without("key") == "/ops/jobs?state=failed"
    assert Address("/ops/jobs", {"key": "k"}).without("key") == "/ops/jobs"


def test_one_of_several_values_is_let_in_and_out() -> None:
    assert JOBS.toggled("state", "queued") == "/ops/jobs?state=failed%2Cqueued&key=k"
    assert JOBS.toggled("state", "failed") == "/ops/jobs?key=k"
    assert JOBS.has("state", "failed")
    assert not JOBS.has("state", "fail")


def test_a_value_cannot_end_its_parameter() -> None:
    assert JOBS.but(key='&state="#') == "/ops/jobs?state=failed&key=%26state%3D%22%23"
