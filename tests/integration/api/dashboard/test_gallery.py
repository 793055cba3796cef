"""/ops/gallery and /ops/thumbnails: the newest pictures, small."""

import re
from datetime import timedelta
from io import BytesIO
from uuid import UUID

import pytest
from PIL import Image as Pillow
from sqlalchemy import select, text, update

from api.app import create_app
from api.waiting import WaitingRoom
from core import galleries
from core.bootstrap import Services
from core.galleries import Wanted
from core.images import Picture
from core.orm import Image
from core.states import Role
from tests import builders
from tests.integration.api import lives
from tests.integration.api.dashboard.conftest import Browse, Visitor
from tests.integration.api.lives import Owner


def png(width: int, height: int) -> bytes:
    drawn = BytesIO()
    Pillow.new("RGBA", (width, height), "teal").save(drawn, "PNG")
    return drawn.getvalue()


def finish(services: Services, owner: Owner, *, model: str = "dall-e-2") -> tuple[UUID, str]:
    """A job that a picture came of, and the name of that."""
    claim = lives.start(services, lives.begin(services, owner, model=model))
    picture = Picture(position=0, png=png(1024, 512), revised_prompt=None)
    services.storage.put(picture.object_key(claim), picture.png)
    with services.database.transaction() as session:
        builders.record(session, claim, picture, picture.object_key(claim))
    lives.complete(services, claim)
    with services.database.transaction() as session:
        return claim.job_id, session.scalars(select(Image.name).where(Image.job_id == claim.job_id)).one()


def expire(services: Services, name: str) -> None:
    with services.database.transaction() as session:
        over = Image.expires_at - timedelta(hours=2)
        session.execute(update(Image).where(Image.name == name).values(expires_at=over))


def test_the_newest_pictures_are_shown_with_what_was_asked_for(
    services: Services, owner: Owner, viewer: Visitor
) -> None:
    job_id, name = finish(services, owner)

    page = viewer.client.get(f"/ops/gallery?key={owner.key_id}").text

    assert f"/ops/thumbnails/{name}?size=large" in page
    assert f"/ops/jobs/{job_id}" in page
    assert "a lighthouse" in page


def test_pictures_are_narrowed_down_by_model_and_key(services: Services, owner: Owner, viewer: Visitor) -> None:
    _, old = finish(services, owner)
    _, new = finish(services, owner, model="dall-e-3")
    stranger = lives.make_owner(services)

    def shown(query: str) -> list[bool]:
        page = viewer.client.get(f"/ops/gallery?{query}").text
        return [f"/ops/thumbnails/{name}" in page for name in (new, old)]

    assert shown(f"key={owner.key_id}") == [True, True]
    assert shown(f"key={owner.key_id}&model=dall-e-3") == [True, False]
    assert shown(f"key={stranger.key_id}") == [False, False]
    assert shown("provider=stability") == [False, False]


def test_jobs_that_made_nothing_hide_no_pictures(services: Services, owner: Owner, viewer: Visitor) -> None:
    _, name = finish(services, owner)
    cancel_many(services, lives.begin(services, owner))

    assert name in viewer.client.get(f"/ops/gallery?key={owner.key_id}").text


def cancel_many(services: Services, job_id: UUID) -> None:
    """Newer ones than a page looks at, all like this one."""
    copies = text("""
        INSERT INTO jobs
        SELECT (jsonb_populate_record(jobs, changed || jsonb_build_object('id', uuidv7()))).*
        FROM jobs, generate_series(1, :most),
            jsonb_build_object('state', 'cancelled', 'settled_at', now()) AS changed
        WHERE id = :id
    """)
    with services.database.transaction() as session:
        session.execute(copies, {"most": galleries.LOOKED_AT, "id": job_id})


def test_a_page_ends_between_two_jobs(services: Services, owner: Owner) -> None:
    claim = lives.start(services, lives.begin(services, owner, n=2))
    for position in (0, 1):
        lives.land(services, claim, position)
    lives.complete(services, claim)

    with services.database.transaction() as session:
        shown = galleries.page(session, Wanted(key_id=owner.key_id), limit=1)

    assert [(picture.job_id, picture.position) for picture in shown] == [(claim.job_id, 0), (claim.job_id, 1)]


def test_a_thumbnail_is_a_jpeg_of_its_size(services: Services, owner: Owner, viewer: Visitor) -> None:
    _, name = finish(services, owner)

    for size, width, height in (("small", 68, 34), ("large", 360, 180)):
        response = viewer.client.get(f"/ops/thumbnails/{name}?size={size}")
        with Pillow.open(BytesIO(response.data)) as picture:
            assert (picture.format, picture.size) == ("JPEG", (width, height))
    assert response.mimetype == "image/jpeg"
    assert response.headers["Cache-Control"] == "private, max-age=600"


def test_looking_at_a_thumbnail_is_not_fetching_the_picture(
    services: Services, owner: Owner, viewer: Visitor
) -> None:
    job_id, name = finish(services, owner)

    assert viewer.client.get(f"/ops/thumbnails/{name}").status_code == 200

    assert "not fetched" in viewer.get(f"/ops/jobs/{job_id}")


def test_looking_at_the_whole_picture_is_not_fetching_it_either(
    services: Services, owner: Owner, staff: dict[Role, Browse]
) -> None:
    room = WaitingRoom(services.database, services.notifier)
    viewer = staff[Role.VIEWER](create_app(services, room))
    job_id, name = finish(services, owner)

    def was_fetched_from(address: str) -> bool:
        assert viewer.client.get(address).data == png(1024, 512)
        room.receipts.flush()
        with services.database.transaction() as session:
            return session.get_one(Image, name).fetched_at is not None

    (linked,) = re.findall(f'href="([^"]+{name})"', viewer.client.get(f"/ops/jobs/{job_id}").text)
    assert not was_fetched_from(linked)
    assert was_fetched_from(f"/files/{name}")


def test_a_picture_whose_hour_is_over_is_shown_no_more(services: Services, owner: Owner, viewer: Visitor) -> None:
    job_id, name = finish(services, owner)
    assert viewer.client.get(f"/ops/thumbnails/{name}").status_code == 200

    expire(services, name)

    assert viewer.client.get(f"/ops/thumbnails/{name}").status_code == 404
    assert name not in viewer.client.get("/ops/gallery").text
    assert "expired" in viewer.get(f"/ops/jobs/{job_id}")


def test_from_whom_pictures_are_hidden_sees_none(services: Services, owner: Owner, uninitiated: Visitor) -> None:
    _, name = finish(services, owner)

    page = uninitiated.client.get("/ops/gallery").text

    assert name not in page
    assert "a lighthouse" not in page
    assert "not shown to viewers here" in page
    assert name not in uninitiated.client.get("/ops/jobs").text
    assert uninitiated.client.get(f"/ops/thumbnails/{name}").status_code == 404


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/ops/thumbnails/img-nobodys.png", 404),
        ("/ops/thumbnails/img-nobodys.png?size=vast", 404),
        ("/ops/thumbnails/%00", 400),
        ("/ops/gallery?key=mine", 400),
        ("/ops/gallery?before=yesterday", 400),
        ("/ops/gallery?model=%00", 400),
    ],
)
def test_what_is_not_there_is_told_in_words(viewer: Visitor, address: str, status: int) -> None:
    assert viewer.client.get(address).status_code == status
