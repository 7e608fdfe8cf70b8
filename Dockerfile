# One image, many commands: worker, beat, flower, callback, simulator, migrations.
# The versions are those of requirements/app.txt, hashes and all; a mirror is given to pip by
# `--build-arg PIP_INDEX_URL=...` and is not kept in the image.
ARG PYTHON=3.13-slim-trixie

FROM python:${PYTHON} AS build
ARG PIP_INDEX_URL
WORKDIR /app
RUN python -m venv /venv
COPY requirements/app.txt requirements/
RUN /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes \
    --only-binary :all: -r requirements/app.txt
# What .dockerignore lets in.
COPY . ./
RUN /venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps \
    --no-build-isolation --editable .

FROM python:${PYTHON}
# The user has no password and owns nothing but var/, which holds the files of beat and SQLite.
RUN useradd --system --uid 10001 --home-dir /app broadcast && \
    install --directory --owner broadcast /app/var
COPY --from=build /venv /venv
COPY --from=build /app /app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONPATH=/app PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
USER broadcast
# SIGTERM reaches Celery itself, which finishes the call it is in: no shell stands between.
STOPSIGNAL SIGTERM
CMD ["celery", "-A", "worker", "worker", "--loglevel", "INFO"]
