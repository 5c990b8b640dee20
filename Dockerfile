# syntax=docker/dockerfile:1
FROM rust:1.95.0-slim-trixie AS build
WORKDIR /src
# aws-lc, the TLS of the AWS SDKs and of kube, is compiled from C. Its compiler is not part of the image that runs.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends cmake g++ make \
    && rm -rf /var/lib/apt/lists/*
COPY Cargo.toml Cargo.lock ./
COPY crates crates
COPY src src
COPY model model
COPY sandbox sandbox
COPY scan scan
COPY xtask xtask
COPY tests tests
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --locked --release --package reforge --bin reforge \
    && cp target/release/reforge /usr/local/bin/reforge

# glibc and CA certificates, no shell, no package manager; of the same Debian as the build.
FROM gcr.io/distroless/cc-debian13:nonroot
LABEL org.opencontainers.image.title="Reforge" \
      org.opencontainers.image.description="Puts deleted or tampered AWS resources back by running their owner's Terraform in CodeBuild" \
      org.opencontainers.image.source="https://github.com/reforge-dev/reforge" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=build /usr/local/bin/reforge /usr/local/bin/reforge
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/reforge"]
CMD ["run"]
