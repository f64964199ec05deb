# The chat without its private PostgreSQL: set DATABASE_URL, SECRET_KEY and PUBLIC_URL (docs/deploy/container.md).
ARG BASE=python:3.13.7-slim-trixie

# hadolint ignore=DL3006
FROM ${BASE} AS build
# `strip` makes the libraries a third smaller. Its version follows the base image.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends binutils \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY requirements-image.txt ./
# The last line removes the sources and types of what is compiled.
RUN python3 -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --no-compile --require-hashes --requirement requirements-image.txt \
    && find /opt/venv -name '*.so*' -exec strip --strip-debug {} + \
    && find /opt/venv -name '*.py[xi]' -delete -o -name '*.pxd' -delete -o -name '*.[ch]' -delete
COPY requirements-sbom.txt ./
RUN python3 -m venv /opt/sbom \
    && /opt/sbom/bin/pip install --no-cache-dir --require-hashes --requirement requirements-sbom.txt \
    && /opt/sbom/bin/cyclonedx-py environment --output-reproducible --output-file /opt/sbom.json /opt/venv/bin/python \
    && /opt/venv/bin/pip uninstall --yes setuptools pip \
    && rm requirements-image.txt requirements-sbom.txt \
    && mkdir /files
COPY pyproject.toml ./
COPY static ./static
COPY templates ./templates
COPY migrations ./migrations
COPY chat ./chat
COPY deploy/container/collect.py /opt/
# Compiles what the chat loads, because its file system is read-only later. Compiling all of it takes twice the space.
RUN find / -xdev -name __pycache__ -type d -prune -exec rm -rf {} + \
    && /opt/venv/bin/python -c "import alembic.command, chat.__main__, chat.files.picture_worker, chat.messages.worker; \
import chat.files.bucket, chat.tracing.export, sentry_sdk.integrations.logging; \
import chat.live.brokers.kafka, chat.live.brokers.nats, chat.live.brokers.rabbitmq; \
chat.messages.worker.load_languages()" \
    && /opt/venv/bin/python -m compileall -q migrations chat \
    && python3 -B /opt/collect.py /opt/venv /opt/root \
    && find /opt/root/usr -type f -name '*.so*' -exec strip --strip-debug {} +

# Holds only what was collected: no shell, no package manager.
FROM scratch
LABEL org.opencontainers.image.title="simplechat" \
      org.opencontainers.image.description="The chat a small team, club or class puts on its own server" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /opt/root /
COPY --from=build /opt/sbom.json /usr/share/sbom/simplechat.cdx.json
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
# A volume that all processes share: nothing else can be written to.
COPY --from=build --chown=10001:10001 /files /files
WORKDIR /app
ENV PATH=/opt/venv/bin \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    FILES_URL=/files
USER 10001:10001
EXPOSE 8000
# The chat closes its pages, sends its last messages and ends within GRACE seconds, 20 by default.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD ["/opt/venv/bin/python", "-I", "-c", "\
import http.client, os, sys; \
chat = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('PORT') or 8000), timeout=4); \
chat.request('GET', '/healthz'); \
sys.exit(chat.getresponse().status != 200)"]
ENTRYPOINT ["/opt/venv/bin/python", "-m", "chat"]
CMD ["serve"]
