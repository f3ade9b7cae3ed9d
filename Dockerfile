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
# A release archive is packed instead of compiled with --build-arg ARCHIVE=dist/boathouse-VERSION-MACHINE.tar.gz
# (`.ci/release --image` does that). Behind a proxy that signs with a CA of its own, put its PEM bundle at dist/ca-bundle.pem.

FROM debian:bookworm-slim AS build
COPY . /src
WORKDIR /src
ARG ARCHIVE=
RUN set -e; \
    if [ -f dist/ca-bundle.pem ]; then export SSL_CERT_FILE=/src/dist/ca-bundle.pem CARGO_HTTP_CAINFO=/src/dist/ca-bundle.pem; fi; \
    if [ -z "$ARCHIVE" ]; then rm -f dist/*.tar.gz; .ci/release; ARCHIVE=$(ls dist/boathouse-*.tar.gz); fi; \
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
