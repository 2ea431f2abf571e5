# docker build -t tfrs-pipeline .
# docker run --rm -v "$PWD/runs:/home/pipeline/runs" tfrs-pipeline run /app/tfx_config/quickstart.yaml
FROM python:3.12-slim AS builder

RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements.lock /build/
RUN pip install --require-hashes -r /build/requirements.lock
COPY setup.py pyproject.toml README.md LICENSE /build/
COPY pipeline /build/pipeline
COPY components /build/components
COPY models /build/models
RUN pip install --no-deps --no-build-isolation /build

FROM python:3.12-slim

RUN useradd --create-home --uid 1000 pipeline && install -d -o pipeline /home/pipeline/runs
COPY --from=builder /venv /venv
COPY tfx_config /app/tfx_config
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1
USER pipeline
WORKDIR /home/pipeline
ENTRYPOINT ["python", "-m", "pipeline"]
CMD ["--help"]
