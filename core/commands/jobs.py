"""`darkroom jobs`: what became of a job, and calling one off."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import click

from core.commands.terminal import services


@click.group()
def jobs() -> None:
    """Jobs on the ledger."""


@jobs.command("show")
@click.argument("job_id", type=click.UUID)
def show_job(job_id: UUID) -> None:
    """Tell what happened to a job, and what it may have cost."""
    from core import calls, results

    with services() as house, house.database.transaction() as session:
        job = results.job(session, job_id)
        if job is None:
            raise click.ClickException(f"there is no job {job_id}")
        click.echo(f"{job.id}  {job.state}  {job.model} by {job.provider}  request {job.request_id}")
        for event in results.history(session, job_id):
            detail = f"  {_told(event.detail)}" if event.detail else ""
            click.echo(f"{event.at:%Y-%m-%d %H:%M:%S.%f}  attempt {event.attempt}  {event.event}{detail}")
        for call in calls.of_job(session, job_id):
            click.echo(f"{call.sent_at:%Y-%m-%d %H:%M:%S.%f}  attempt {call.attempt}  call {call.outcome}")


def _told(detail: Mapping[str, Any]) -> str:
    """Why it failed; else who did what."""
    if "kind" in detail:
        return f"{detail['kind']}: {detail['message']}"
    return ", ".join(f"{name} {value}" for name, value in detail.items())


@jobs.command("cancel")
@click.argument("job_id", type=click.UUID)
def cancel_job(job_id: UUID) -> None:
    """Settle a job as cancelled. A provider call under way is finished, and paid for."""
    from core import audit, cancellation

    with services() as house:
        with house.database.transaction() as session:
            if not cancellation.settle(session, job_id):
                raise click.ClickException(f"there is no job {job_id} that could be cancelled")
            audit.by_command(session, "job.cancel", f"job {job_id}")
        house.notifier.announce(job_id)
