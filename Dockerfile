# One image for poller, scheduler and api; stack.yml picks which by its command.
# PYTHON_IMAGE: any image with Python 3.11 or newer; the build stage needs its venv and pip.
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY funswarm/ funswarm/
RUN python3 -m venv --without-pip /opt/funswarm \
    && python3 -m pip --python /opt/funswarm/bin/python install --no-cache-dir --disable-pip-version-check '.[services]'
COPY services/ /opt/funswarm/app/services/
# Byte code is compiled once here, not by each container into its writable layer.
RUN rm -rf /opt/funswarm/app/services/simulator && /opt/funswarm/bin/python -m compileall -q /opt/funswarm

FROM ${PYTHON_IMAGE}
ARG VERSION=dev
LABEL org.opencontainers.image.title="Funswarm" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=build /opt/funswarm /opt/funswarm
# Non-root. The engine's socket belongs to a group whose number is the host's: stack.yml adds it where it is needed.
RUN useradd --system --uid 10001 --home-dir /opt/funswarm --shell /usr/sbin/nologin funswarm
ENV PATH=/opt/funswarm/bin:$PATH PYTHONPATH=/opt/funswarm/app PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    FUNSWARM_ALIVE_FILE=/tmp/funswarm-alive
WORKDIR /opt/funswarm/app
USER funswarm
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD ["python", "-m", "services.healthcheck"]
CMD ["python", "-m", "services.api"]
