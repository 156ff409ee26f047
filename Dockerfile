# The images of the project: static programs and the certificates of public authorities in each, no more.
#
# Programs are compiled outside, with the caches of the machine, and copied from a small build context:
#   vox-operator, vox, vox-sidecar, vox-wire    static programs
#   ca-certificates.crt                    a bundle of certificates: an empty image has none, and HTTPS needs them
# All programs have to be there for any image, because the classic builder, which machines without buildx
# fall back to, runs every stage up to its target. `vox-e2e images` makes that folder and calls `docker build`
# on it. By hand:
#   export RUSTFLAGS="-C target-feature=+crt-static" target=x86_64-unknown-linux-gnu
#   cargo build --release --target $target --package vox-controller --package vox-cli --package vox-sidecar --package vox-wire
#   mkdir context && cp target/$target/release/{vox,vox-{operator,sidecar,wire}} /etc/ssl/certs/ca-certificates.crt context/
#   docker build --file Dockerfile --target vox-operator --tag vox-operator:dev context

FROM scratch AS base
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# A number, not a name: there is no /etc/passwd, and `runAsNonRoot` can only check numbers.
USER 65532:65532

FROM base AS vox-operator
COPY vox-operator /usr/local/bin/vox-operator
# For the weekly look (`vox doctor`) that the chart installs.
COPY vox /usr/local/bin/vox
ENTRYPOINT ["/usr/local/bin/vox-operator"]

FROM base AS vox-sidecar
COPY vox-sidecar /usr/local/bin/vox-sidecar
ENTRYPOINT ["/usr/local/bin/vox-sidecar"]

FROM base AS vox-wire
COPY vox-wire /usr/local/bin/vox-wire
ENTRYPOINT ["/usr/local/bin/vox-wire"]
