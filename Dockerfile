# Two images from one file:  web (the site, its API and the sweep; no torch)  and  worker (the same with the engine).
#
#   docker build --target web .
#   docker build --target worker --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu .

FROM python:3.12-slim AS web-packages
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app
# A new volume takes over the owner of the folder it is mounted on.
RUN useradd --uid 1000 interpedia \
    && install --directory --owner interpedia --group interpedia --mode 0700 /data /hub
COPY requirements/web.txt requirements/
RUN pip install --requirement requirements/web.txt
ENV DATA=/data

FROM web-packages AS worker-packages
# Where torch comes from; empty: pip's own index, with the CUDA build.
ARG TORCH_INDEX=
COPY requirements/engine.txt requirements/
RUN if [ -n "$TORCH_INDEX" ]; then \
        pip install --index-url "$TORCH_INDEX" "$(sed -n 's/^\(torch==[^ ]*\).*/\1/p' requirements/engine.txt)"; \
    fi \
    && pip install --requirement requirements/engine.txt
ENV HF_HOME=/hub

# The code belongs to root, so the process cannot change it; compiled here, since it cannot be at run time either.
FROM worker-packages AS worker
COPY . .
RUN python -m compileall -q api config wiki workers
USER 1000
CMD ["python", "manage.py", "work"]

FROM web-packages AS web
COPY . .
RUN python -m compileall -q api config wiki workers
USER 1000
EXPOSE 8000
CMD ["gunicorn", "--config", "python:config.gunicorn", "--bind", "0.0.0.0:8000", "--threads", "4", \
     "--graceful-timeout", "20", "--no-control-socket", "config.wsgi"]
