# Two images from one file:  web (the site and its API, without torch)  and  worker (the same code with the engine).
#   docker build --target web .
#   docker build --target worker --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu .

FROM python:3.12-slim AS site-packages
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app
RUN useradd --create-home --uid 1000 interpedia && install --directory --owner interpedia /data
COPY requirements/web.txt requirements/
RUN pip install --requirement requirements/web.txt
ENV DATA=/data

FROM site-packages AS engine-packages
# Where torch comes from; empty: pip's own index, with the CUDA build.
ARG TORCH_INDEX=
COPY requirements/engine.txt requirements/
RUN if [ -n "$TORCH_INDEX" ]; then \
        pip install --index-url "$TORCH_INDEX" "$(sed -n 's/^\(torch==[^ ]*\).*/\1/p' requirements/engine.txt)"; \
    fi \
    && pip install --requirement requirements/engine.txt

FROM engine-packages AS worker
COPY . .
USER 1000
CMD ["celery", "--app", "config", "worker", "--pool", "solo"]

FROM site-packages AS web
COPY . .
USER 1000
EXPOSE 8000
CMD ["gunicorn", "--bind", "0.0.0.0:8000", "config.wsgi"]
