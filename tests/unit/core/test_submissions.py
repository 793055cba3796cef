from core.submissions import new_job_id


def test_job_ids_are_version_7_and_in_order_of_time() -> None:
    ids = [new_job_id() for _ in range(1000)]

    assert {job_id.version for job_id in ids} == {7}
    assert len(set(ids)) == 1000
    assert [job_id.int >> 80 for job_id in ids] == sorted(job_id.int >> 80 for job_id in ids)
