"""Pictures on the ledger: stored ones with their hour, and held ones that the store has not taken yet."""

import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

from sqlalchemy import ARRAY, Integer, Uuid, any_, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from core.ledger import Claim
from core.orm import Batch, HeldPicture, Image, Job, table_of
from core.statements import Given, Step, fixed
from core.states import JobState

LIFETIME = timedelta(hours=1)
# As long as a batch goes on its pictures stay, though its results take hours to be written, or wait for a clerk
# that is away. Counted from the end of its window, for one that never ends.
WHILE_UNDER_WAY = timedelta(days=30)
_ALPHABET = string.ascii_letters + string.digits


def _unguessable_name() -> str:
    """OpenAI's own form: 24 letters and digits, 142 bits."""
    return f"img-{''.join(secrets.choice(_ALPHABET) for _ in range(24))}.png"


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A finished picture: a PNG of exactly the size that was asked for, as number `position` of its job."""

    position: int
    png: bytes
    revised_prompt: str | None
    name: str = field(default_factory=_unguessable_name)

    def object_key(self, claim: Claim) -> str:
        """Where it goes in the store: by the hour, so that an hour can be listed, or with its batch."""
        place = f"batches/{claim.batch_id}" if claim.batch_id else f"{datetime.now(UTC):%Y/%m/%d/%H}"
        return f"{place}/{self.name}"


def stored(session: Session, job_id: UUID) -> set[int]:
    """The positions of a job's pictures that are in the store."""
    return set(session.scalars(select(Image.position).where(Image.job_id == job_id)))


def held(session: Session, job_id: UUID) -> list[Picture]:
    """A job's pictures that wait for the store."""
    rows = session.scalars(select(HeldPicture).where(HeldPicture.job_id == job_id).order_by(HeldPicture.position))
    return [Picture(position=row.position, png=row.png, revised_prompt=row.revised_prompt) for row in rows]


_IMAGES = table_of(Image)
_COLUMNS = ("name", "job_id", "position", "object_key", "bytes", "sha256", "revised_prompt")
# A picture that is there is there: the commit that put it there may have lost its answer.
_RECORD = fixed(
    postgresql.insert(_IMAGES)
    .from_select(
        [*_COLUMNS, "expires_at", "kept_until"],
        select(
            *(Given(name, _IMAGES.c[name].type) for name in _COLUMNS),
            func.clock_timestamp() + LIFETIME,
            select(Batch.expires_at + WHILE_UNDER_WAY).where(Batch.id == Job.batch_id).scalar_subquery(),
        )
        .where(
            Job.id == Given("job_id", Uuid()),
            Job.attempt == Given("fence", Integer()),
            Job.state_in(JobState.RUNNING),
        )
        .with_for_update(key_share=True),
    )
    .on_conflict_do_nothing(index_elements=["job_id", "position"])
)


def recording(claim: Claim, picture: Picture, object_key: str) -> Step:
    """Puts a picture that is in the store on the ledger, if the claim holds; its hour begins."""
    row = {
        "name": picture.name,
        "job_id": claim.job_id,
        "fence": claim.attempt,
        "position": picture.position,
        "object_key": object_key,
        "bytes": len(picture.png),
        "sha256": sha256(picture.png).hexdigest(),
        "revised_prompt": picture.revised_prompt,
    }
    return Step(_RECORD, row)


def hold(session: Session, claim: Claim, pictures: Sequence[Picture]) -> None:
    """Keep pictures that the store would not take for the next attempt."""
    session.execute(
        postgresql.insert(HeldPicture)
        .values(
            [
                {
                    "job_id": claim.job_id,
                    "position": picture.position,
                    "png": picture.png,
                    "revised_prompt": picture.revised_prompt,
                }
                for picture in pictures
            ]
        )
        .on_conflict_do_nothing()
    )


_POSITIONS = Given("positions", ARRAY(Integer))
_LET_GO = fixed(
    delete(HeldPicture).where(
        HeldPicture.job_id == Given("job_id", Uuid()),
        or_(_POSITIONS.is_(None), HeldPicture.position == any_(_POSITIONS)),
    )
)


def letting_go(job_id: UUID, positions: Sequence[int] | None = None) -> Step:
    """Forgets held pictures of these positions, which are stored now, or all of them once the job has ended."""
    return Step(_LET_GO, {"job_id": job_id, "positions": None if positions is None else list(positions)})


def find(session: Session, name: str) -> tuple[Image, timedelta] | None:
    """A picture by its name, with the time it has left to live; negative once its hour is over."""
    left = (Image.expires_at - func.clock_timestamp()).label("left")
    row = session.execute(select(Image, left).where(Image.name == name)).one_or_none()
    return None if row is None else (row.Image, row.left)


_GOES_AT = func.coalesce(Image.kept_until, Image.expires_at)


def expired(session: Session, *, most: int) -> Sequence[Image]:
    """Pictures past their hour that are still in the store, oldest first."""
    return session.scalars(
        select(Image)
        .where(Image.swept_at.is_(None), func.clock_timestamp() > _GOES_AT)
        .order_by(_GOES_AT)
        .limit(most)
    ).all()


def mark_swept(session: Session, names: Sequence[str]) -> None:
    session.execute(
        update(Image)
        .where(Image.name.in_(names))
        .values(swept_at=func.clock_timestamp())
        .execution_options(synchronize_session=False)
    )
