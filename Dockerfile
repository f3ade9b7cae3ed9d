# The appliance as an image.
#
#   docker build -t boathouse .
#   docker run -d --name boathouse --restart always --network host -v /var/lib/boathouse:/var/lib/boathouse \
#     -v /var/run/docker.sock:/var/run/docker.sock -v /sys/fs/cgroup:/sys/fs/cgroup boathouse
#   docker exec boathouse boathouse setup-token
#
# The host's network, because the edge reaches containers at their own addresses and listens on ports 80 and 443 itself. The
# control groups carry the limits of builds; without them builds run unlimited, and their logs say so.
#
# It compiles for a quarter of an hour on two cores, with all of them unless --build-arg JOBS=1 says less. What is there already is
# packed instead: --build-arg ARCHIVE=dist/boathouse-VERSION-MACHINE.tar.gz (`.ci/release --image` does that), --build-arg
# BINARY=dist/boathouse. Behind a proxy that signs with a CA of its own, put its PEM bundle at dist/ca-bundle.pem.

FROM debian:bookworm-slim AS build
COPY . /src
WORKDIR /src
ARG ARCHIVE=
ARG BINARY=
ARG JOBS=
RUN set -e; \
    if [ -n "$JOBS" ]; then export CARGO_BUILD_JOBS=$JOBS; fi; \
    if [ -f dist/ca-bundle.pem ]; then export SSL_CERT_FILE=/src/dist/ca-bundle.pem CARGO_HTTP_CAINFO=/src/dist/ca-bundle.pem; fi; \
    if [ -z "$ARCHIVE" ]; then rm -f dist/*.tar.gz; .ci/release ${BINARY:+--binary "$BINARY"}; ARCHIVE=$(ls dist/boathouse-*.tar.gz); fi; \
    mkdir /image; tar -xzf "$ARCHIVE" -C /image --strip-components=1

# Not FROM scratch: fetching from git remotes needs git and ssh. The binary itself needs nothing.
FROM debian:bookworm-slim
RUN apt-get update -q && apt-get install -y -q --no-install-recommends ca-certificates git openssh-client && rm -rf /var/lib/apt/lists/*
COPY --from=build /image/boathouse /usr/local/bin/boathouse
COPY --from=build /image/LICENSE /usr/share/doc/boathouse/LICENSE
VOLUME /var/lib/boathouse
EXPOSE 80 443
STOPSIGNAL SIGTERM
ENTRYPOINT ["boathouse"]
CMD ["serve"]
