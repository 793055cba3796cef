from datetime import UTC, datetime, timedelta

from core.job_ids import first_id, new_job_id


def test_job_ids_are_version_7_and_in_order_of_time() -> None:
    ids = [new_job_id() for _ in range(1000)]

    assert {job_id.version for job_id in ids} == {7}
    assert len(set(ids)) == 1000
    assert [job_id.int >> 80 for job_id in ids] == sorted(job_id.int >> 80 for job_id in ids)


def test_an_id_lies_between_the_moments_around_it() -> None:
    moment, second = datetime.now(UTC), timedelta(seconds=1)
    job_id = new_job_id()

    assert first_id(moment) <= job_id < first_id(moment, after=second)
    assert first_id(moment, after=-second) < first_id(moment)


def test_no_moment_is_too_early_or_too_late_to_compare_ids_with() -> None:
    ends = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))

    assert first_id(ends[0], after=-timedelta(days=1)) < new_job_id() < first_id(ends[1], after=timedelta(days=1))
