#!/usr/bin/env bash
# Makes build/function.zip. Reforge's plan build runs this in the root module before `terraform init`; run it yourself
# before a plan by hand. The same source gives the same bytes: fixed times, modes, order and time zone.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"
here=$PWD
source=../../../../modules/lambda/src
staging=$(mktemp -d)
trap 'rm -rf "$staging"' EXIT

cp "$source"/*.py "$staging/"
find "$staging" -type f -exec chmod 0644 {} + -exec env TZ=UTC touch -t 202001010000.00 {} +
mkdir -p build
rm -f build/function.zip
(cd "$staging" && find . -type f | LC_ALL=C sort | TZ=UTC zip -X -q "$here/build/function.zip" -@)
