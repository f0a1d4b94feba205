# syntax=docker/dockerfile:1
# One image for web, worker and commands. Nothing in it runs as root.
#
# torch comes in builds. On x86-64 the default package index has the CUDA build alone: several gigabytes, and it runs
# without a GPU too. That is TORCH=cuda. The CPU build, a tenth of the size, lies on an index of the PyTorch project:
#   docker build --build-arg TORCH=cpu --build-arg TORCH_INDEX=<that index> .
# On arm64 the default index has the CPU build, and TORCH=cuda takes it.
ARG TORCH=cuda
ARG TORCH_INDEX=

FROM python:3.11-slim AS packages
ARG TORCH
ARG TORCH_INDEX
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ONLY_BINARY=:all: PYTHONDONTWRITEBYTECODE=1
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
COPY requirements.txt .
RUN case "$TORCH" in \
      cuda) ;; \
      cpu) test -n "$TORCH_INDEX" || { echo "TORCH=cpu needs TORCH_INDEX: see the Dockerfile" >&2; exit 1; }; \
           pip install --index-url "$TORCH_INDEX" "$(grep '^torch==' requirements.txt)" ;; \
      *) echo "TORCH is cpu or cuda, not $TORCH" >&2; exit 1 ;; \
    esac \
 && pip install --requirement requirements.txt

FROM python:3.11-slim
# pg_dump and pg_restore for `manage.py backup`: not older than the server in docker-compose.yml. Debian's own may be, so
# they come from PostgreSQL's repository, which Debian's postgresql-common knows how to add.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates postgresql-common \
 && /usr/share/postgresql-common/pgdg/*.sh -y \
 && apt-get install --yes --no-install-recommends postgresql-client-18 \
 && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --no-create-home --home-dir /var/lib/almanac almanac \
 && install -d -o almanac -g almanac /var/lib/almanac /var/lib/almanac/artifacts /var/lib/almanac/batches /run/almanac
COPY --from=packages /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    ALMANAC_HOME=/var/lib/almanac STATIC_ROOT=/srv/almanac/staticfiles
WORKDIR /srv/almanac
COPY manage.py ./
COPY config config
COPY accounts accounts
COPY predictions predictions
COPY mlcore mlcore
COPY templates templates
# Each runner is a new process, and could keep no bytecode in a read-only file system.
RUN python -m compileall -q config accounts predictions mlcore
# Values for this step alone: it reads the settings, and reaches no server.
RUN SECRET_KEY=unused DATABASE_URL=postgres://unused REDIS_URL=redis://unused \
    python manage.py collectstatic --noinput --verbosity 0
USER almanac
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://localhost:8000/healthz', timeout=4)"]
CMD ["python", "-m", "granian", "--interface", "asginl", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", "--http", "1", "--no-ws", "--respawn-failed-workers", "--workers-kill-timeout", "2", "config.asgi:application"]
