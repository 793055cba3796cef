"""The public contract of files: the object that every address under /v1/files answers with."""

from datetime import datetime
from typing import Literal

from api.job_schemas import Described
from core.orm import File


class FileObject(Described):
    """A file of the caller's. Times are Unix seconds."""

    id: str
    object: Literal["file"]
    bytes: int
    created_at: int
    expires_at: int | None
    """When it is deleted by itself; null where it never is."""
    filename: str
    purpose: str
    """What for; what a batch has written has `batch_output`."""
    status: Literal["processed"]
    """Files are ready as soon as they are there."""
    status_details: None


class FileList(Described):
    """A page of the caller's own files."""

    object: Literal["list"]
    data: list[FileObject]
    first_id: str | None
    last_id: str | None
    """What to send as `after` for the next page."""
    has_more: bool


class FileDeleted(Described):
    """The file is gone."""

    id: str
    object: Literal["file"]
    deleted: Literal[True]


def file_response(file: File) -> FileObject:
    return FileObject(
        id=file.id,
        object="file",
        bytes=file.bytes,
        created_at=int(file.created_at.timestamp()),
        expires_at=_seconds(file.expires_at),
        filename=file.filename,
        purpose=file.purpose,
        status="processed",
        status_details=None,
    )


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())
