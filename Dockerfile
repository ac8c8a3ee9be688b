# The program as a user without root; its studies, models and data live in /sweeps.
FROM python:3.13-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE sweep.py ./
COPY fcnet fcnet
COPY studies studies
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.13-slim
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir "$(ls /wheels/*.whl)[postgres,tables]" \
    && useradd --create-home sweeper \
    && install -d -o sweeper /sweeps
USER sweeper
WORKDIR /sweeps
ENTRYPOINT ["fcnet-sweep"]
CMD ["--help"]
