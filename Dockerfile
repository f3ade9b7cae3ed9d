# The appliance as an image.
#
#   docker build -t boathouse .
#   docker run -d --name boathouse --restart always --network host \
#     -v /var/lib/boathouse:/var/lib/boathouse -v /var/run/docker.sock:/var/run/docker.sock boathouse
#   docker exec boathouse boathouse setup-token
#
# The host's network, because the edge reaches containers at their own addresses and listens on ports 80 and 443 itself.
# Behind a proxy that signs with a CA of its own: DOCKER_BUILDKIT=1 docker build --secret id=ca,src=/path/ca-bundle.pem …

FROM debian:bookworm-slim AS build
RUN apt-get update -q && apt-get install -y -q --no-install-recommends ca-certificates curl git gcc libc6-dev rustc-web cargo-web rust-web-src lld-19
COPY . /src
WORKDIR /src
RUN --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    .ci/release --output /out && mkdir /image && tar -xzf /out/boathouse-*.tar.gz -C /image --strip-components=1

# Not FROM scratch: fetching from git remotes needs git and ssh.
FROM debian:bookworm-slim
RUN apt-get update -q && apt-get install -y -q --no-install-recommends ca-certificates git openssh-client && rm -rf /var/lib/apt/lists/*
COPY --from=build /image/boathouse /usr/local/bin/boathouse
COPY --from=build /image/LICENSE /usr/share/doc/boathouse/LICENSE
VOLUME /var/lib/boathouse
STOPSIGNAL SIGTERM
ENTRYPOINT ["boathouse"]
CMD ["serve"]
