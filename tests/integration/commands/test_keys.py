import re
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from core import keys
from core.bootstrap import Services
from tests import builders
from tests.integration.commands.terminal import Run, complaint, lines


def test_a_key_is_printed_alone_and_works(run: Run, services: Services) -> None:
    (key,) = lines(run("keys", "create", "an owner"))

    with services.database.transaction() as session:
        caller = keys.find(session, key)
    assert caller
    assert caller.name == "an owner"


def test_keys_are_listed_without_their_secret(run: Run) -> None:
    (first,) = lines(run("keys", "create", "ann"))
    (second,) = lines(run("keys", "create", "bob"))

    listed = lines(run("keys", "list"))

    assert len(listed) == 2
    for line, key, name in zip(listed, (first, second), ("ann", "bob"), strict=True):
        assert re.fullmatch(rf"[0-9a-f-]{{36}}  …{re.escape(key[-4:])}  .* in force  {name}", line)
        assert key not in line


def test_a_revoked_key_is_shut_out_and_listed_as_such(run: Run, services: Services) -> None:
    key, caller = builders.make_caller(services)

    assert lines(run("keys", "revoke", caller.key_id)) == []

    with services.database.transaction() as session:
        assert keys.find(session, key) is None
    assert "  revoked 20" in lines(run("keys", "list"))[0]
    assert complaint(run("keys", "revoke", caller.key_id)) == f"there is no key {caller.key_id} in force"


def limits_of(run: Run, key_id: UUID) -> dict[str, str]:
    """What `keys show` tells under its first line."""
    _, *rest = lines(run("keys", "show", key_id))
    return {line[:19].strip(): line[21:] for line in rest}


ALL_LIMITS = (
    *("--model", "dall-e-2", "--model", "flux-1-pro"),
    *("--requests-per-minute", 60, "--pictures-per-minute", 100, "--in-flight", 5),
    *("--cap", "10.50", "--cap-a-day", 1, "--cap-a-month", "5.25"),
    *("--weight", 3, "--expires", "2126-12-31", "--no-reattach"),
)


def owner(run: Run, services: Services, *options: object) -> UUID:
    """The id of a key that was made with these options."""
    (key,) = lines(run("keys", "create", "an owner", *options))
    with services.database.transaction() as session:
        caller = keys.find(session, key)
    assert caller
    return caller.key_id


def test_a_key_is_made_with_what_it_may(run: Run, services: Services) -> None:
    assert limits_of(run, owner(run, services, *ALL_LIMITS)) == {
        "models": "dall-e-2, flux-1-pro",
        "requests per minute": "60",
        "pictures per minute": "100",
        "weight": "3",
        "expires at": "2126-12-31 23:59 UTC",
        "reattaches": "no",
        "admin": "no",
        "cap": "10.50",
        "cap a day": "1",
        "cap a month": "5.25",
        "most in flight": "5",
        "reserved": "0",
        "spent": "0",
        "used today": "0",
        "used this month": "0",
        "in flight": "0",
    }


def test_a_key_without_options_is_not_limited(run: Run, services: Services) -> None:
    shown = limits_of(run, owner(run, services))

    limited = {name for name, value in shown.items() if value != "none"}
    assert limited == {
        *("weight", "reattaches", "admin", "reserved", "spent"),
        *("used today", "used this month", "in flight"),
    }
    assert (shown["weight"], shown["reattaches"]) == ("1", "yes")


def test_a_change_touches_only_what_it_names_and_none_lifts_a_limit(run: Run, services: Services) -> None:
    key_id = owner(run, services, *ALL_LIMITS)
    before = limits_of(run, key_id)

    assert lines(run("keys", "change", key_id, "--cap", 20, "--model", "none", "--expires", "none")) == []
    assert lines(run("keys", "change", key_id)) == []

    assert limits_of(run, key_id) == before | {"cap": "20", "models": "none", "expires at": "none"}
    assert complaint(run("keys", "change", uuid4(), "--cap", 1)).startswith("there is no key ")


def test_a_key_is_an_admins_only_where_it_is_said(run: Run, services: Services) -> None:
    plain, admin = owner(run, services), owner(run, services, "--admin")

    assert [limits_of(run, key_id)["admin"] for key_id in (plain, admin)] == ["no", "yes"]

    assert lines(run("keys", "change", admin, "--no-admin")) == []
    assert limits_of(run, admin)["admin"] == "no"


def test_what_a_key_has_used_is_shown(run: Run, services: Services) -> None:
    job_id = builders.make_job(services)
    key_id = builders.job_of(services, job_id).key_id

    shown = limits_of(run, key_id)

    assert (shown["in flight"], shown["reserved"], shown["spent"]) == ("1", "0.053", "0")
    assert shown["used today"] == shown["used this month"] == "0.053"


def test_a_key_can_be_given_so_many_days(run: Run, services: Services) -> None:
    key_id = owner(run, services, "--expires", "30d")

    with services.database.transaction() as session:
        key, moment = keys.get(session, key_id), builders.now(session)
    assert key
    assert key.expires_at
    assert timedelta(days=29) < key.expires_at - moment < timedelta(days=31)


def test_a_key_whose_time_is_over_is_listed_as_such(run: Run, services: Services) -> None:
    key_id = owner(run, services)

    assert lines(run("keys", "change", key_id, "--expires", "2020-02-29")) == []

    assert "  expired 2020-02-29 23:59  an owner" in lines(run("keys", "list"))[0]


def test_a_key_from_another_gateway_can_be_kept(run: Run, services: Services) -> None:
    done = run("keys", "create", "moved here", "--secret-from-stdin", "--cap", 1, typed="My API Key\n")

    assert (lines(done), done.stderr) == ([], "Warning: 10 characters may be guessed.\n")
    with services.database.transaction() as session:
        caller = keys.find(session, "My API Key")
    assert caller
    assert limits_of(run, caller.key_id)["cap"] == "1"
    twin = run("keys", "create", "a twin", "--secret-from-stdin", typed="My API Key\n")
    assert twin.stderr.endswith("Error: this is a key already, or was one\n")


@pytest.mark.parametrize("typed", ["", "\n", " leading", "schl\u00fcssel"])
def test_a_key_that_no_header_could_carry_is_refused(run: Run, typed: str) -> None:
    refused = run("keys", "create", "nobody", "--secret-from-stdin", typed=typed)

    assert refused.status == 2
    assert "a key is of printable ASCII" in refused.stderr
    assert lines(run("keys", "list")) == []


def test_a_model_that_nobody_offers_is_no_limit(run: Run) -> None:
    refused = complaint(run("keys", "create", "ann", "--model", "dall-e-2", "--model", "dall-e-9"))

    assert refused == "the catalog has no model dall-e-9"


@pytest.mark.parametrize(
    ("option", "text", "why"),
    [
        *(("--cap", text, "is not an amount of dollars") for text in ("-1", "NaN", "Infinity", "1e99", "much")),
        *(("--requests-per-minute", text, "is not a number from 1 on") for text in ("0", "-1", "1.5", "9" * 10)),
        ("--weight", "none", "is not a number from 1 on"),
        *(("--expires", text, "is neither a day") for text in ("tomorrow", "0d", "2026-02-30", "999999d")),
    ],
)
def test_a_limit_that_makes_no_sense_is_explained(run: Run, option: str, text: str, why: str) -> None:
    refused = run("keys", "create", "ann", f"{option}={text}")

    assert refused.status == 2
    assert f"Invalid value for '{option}': '{text}' {why}" in refused.stderr
    assert lines(run("keys", "list")) == []
