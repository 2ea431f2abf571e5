# The pipeline:
#   docker build -t tfrs-pipeline .
#   docker run --rm -v "$PWD/runs:/home/pipeline/runs" tfrs-pipeline run /app/tfx_config/quickstart.yaml
# The server of what it has published:
#   docker build -t tfrs-serving --target serving .
#   docker run --rm -p 127.0.0.1:8501:8501 -v "$PWD/runs/serving:/models:ro" tfrs-serving quickstart
FROM python:3.12-slim AS builder

RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements.lock /build/
RUN pip install --require-hashes -r /build/requirements.lock
COPY setup.py pyproject.toml README.md LICENSE /build/
COPY tfrs_pipeline /build/tfrs_pipeline
COPY pipeline /build/pipeline
COPY components /build/components
COPY serving /build/serving
COPY dataplane /build/dataplane
COPY models /build/models
RUN pip install --no-deps --no-build-isolation /build

FROM python:3.12-slim AS base

RUN useradd --create-home --uid 1000 pipeline && install -d -o pipeline /home/pipeline/runs
COPY --from=builder /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1
USER pipeline
WORKDIR /home/pipeline

FROM base AS serving

EXPOSE 8501
# A container's loopback is its own: who may reach the port is told by `docker run -p`.
ENTRYPOINT ["python", "-m", "pipeline", "serve", "--models", "/models", "--host", "0.0.0.0"]
CMD ["--help"]
HEALTHCHECK --start-period=2m --interval=10s --timeout=5s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8501/healthz', timeout=4)"]

FROM base AS pipeline

COPY tfx_config /app/tfx_config
ENTRYPOINT ["python", "-m", "pipeline"]
CMD ["--help"]
