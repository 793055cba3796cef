# One image for every part of Darkroom; the command after the entry point says which part it is.

FROM python:3.13-slim-trixie AS builder

WORKDIR /app
COPY requirements.lock ./
# pip stays outside of what it fills, so that the final image has one pip less to look after.
RUN python -m venv --without-pip /venv \
    && pip --python /venv/bin/python install --no-cache-dir --require-hashes --only-binary=:all: -r requirements.lock

# No build backend is locked, and none is needed: the code is found by PYTHONPATH, its command is three lines.
RUN printf '#!/venv/bin/python\nfrom darkroom import cli\ncli()\n' > /venv/bin/darkroom && chmod 755 /venv/bin/darkroom
COPY pyproject.toml darkroom.py ./
COPY migrations migrations
COPY core core
COPY api api
COPY workers workers
# The root file system is read-only where it runs: what is not compiled now is compiled at every start.
RUN python -m compileall -q /app


FROM python:3.13-slim-trixie

RUN useradd --system --uid 10001 --no-create-home --home-dir /nonexistent darkroom
COPY --from=builder /venv /venv
COPY --from=builder /app /app
ENV PATH=/venv/bin:$PATH PYTHONPATH=/app PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /app
USER 10001:10001
EXPOSE 8000
# gunicorn, Celery and the scheduler all take it as: finish what is under way, then end.
STOPSIGNAL SIGTERM
ENTRYPOINT ["darkroom"]
CMD ["--help"]
