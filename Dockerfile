# Page and API, for a server with a reverse proxy before it (compose.yaml); see docs/hosting.md.
FROM python:3.11-slim

WORKDIR /app
COPY requirements.txt constraints.txt ./
# The exact versions of constraints.txt; torch from its own index, without the GPU libraries, whose
# wheels have other checksums than the ones of PyPI.
RUN sed -e '/--hash=/d' -e 's/ \\$//' constraints.txt > pins.txt
RUN pip install --no-cache-dir torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu
RUN pip install --no-cache-dir -r requirements.txt -c pins.txt

COPY . .
RUN useradd --uid 10001 --create-home app && mkdir -p models && chown app ml-latest-small models
USER app
ENV LIGHTGCN_CHECKPOINT=/app/models/lightgcn_checkpoint.pth \
    OMP_NUM_THREADS=1 \
    PYTHONUNBUFFERED=1

EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://localhost:8501/api/health/live', timeout=4)"]
CMD ["python", "serve.py", "--server.address", "0.0.0.0", "--server.headless", "true"]
