# One image for poller, scheduler, notifier and api; stack.yml picks which by its command. `python -m services` runs all of them
# with a NATS of their own, as `make run` does.
# PYTHON_IMAGE: any Debian image with Python 3.11 or newer; the build stages need its venv and pip.
ARG PYTHON_IMAGE=python:3.13-slim

# What we need of others, in a layer that stays while pyproject.toml stays.
FROM ${PYTHON_IMAGE} AS packages
WORKDIR /src
COPY pyproject.toml ./
RUN python3 -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
        o = p["optional-dependencies"]; needed = p["dependencies"] + o["services"] + o["run"]; \
        print(*(line for line in needed if not line.startswith("funswarm")), sep="\n")' >requirements.txt \
    && python3 -m venv --without-pip /opt/funswarm \
    && python3 -m pip --python /opt/funswarm/bin/python install --no-cache-dir --disable-pip-version-check \
        --retries 10 --requirement requirements.txt \
    && python3 -m pip install --no-cache-dir --disable-pip-version-check --retries 10 --target /opt/build hatchling

FROM packages AS build
COPY README.md LICENSE ./
COPY funswarm/ funswarm/
RUN PYTHONPATH=/opt/build python3 -m pip --python /opt/funswarm/bin/python install --no-cache-dir \
        --disable-pip-version-check --no-deps --no-build-isolation .
COPY services/ /opt/funswarm/app/services/
# Byte code is compiled once here, not by each container into its writable layer.
RUN /opt/funswarm/bin/python -m compileall -q /opt/funswarm

FROM ${PYTHON_IMAGE}
ARG VERSION=dev
LABEL org.opencontainers.image.title="Funswarm" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
# Non-root. The engine's socket belongs to a group whose number is the host's: stack.yml adds it where it is needed.
RUN useradd --uid 10001 --no-create-home --home-dir /opt/funswarm --shell /usr/sbin/nologin funswarm \
    && mkdir --mode=1777 /data
COPY --from=build /opt/funswarm /opt/funswarm
ENV PATH=/opt/funswarm/bin:$PATH PYTHONPATH=/opt/funswarm/app PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    FUNSWARM_ALIVE_FILE=/tmp/funswarm-alive FUNSWARM_DATA_DIR=/data
WORKDIR /opt/funswarm/app
USER funswarm
STOPSIGNAL SIGTERM
# Swarm counts a task as running only after the first check; on a busy machine a check itself may take seconds.
HEALTHCHECK --interval=5s --timeout=15s --start-period=90s --retries=6 CMD ["python", "-m", "services.healthcheck"]
CMD ["python", "-m", "services.api"]
