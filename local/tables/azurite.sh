#!/bin/sh
# Installs Azurite, Microsoft's emulator, below build/azurite and prints the path
# of its table server, which the tests want in AZURITE:
#
#   AZURITE=$(local/tables/azurite.sh) go test ./local/tables/
#
# Needs node and npm. Does nothing when the version wanted is there already.
set -eu
version=3.35.0

root=$(cd "$(dirname "$0")/../.." && pwd)
dir=$root/build/azurite
entry=$dir/node_modules/azurite/dist/src/table/main.js

installed() {
	[ -f "$entry" ] && grep -q "\"version\": \"$version\"" "$dir/node_modules/azurite/package.json"
}

if ! installed; then
	mkdir -p "$dir"
	[ -f "$dir/package.json" ] || echo '{"private": true}' >"$dir/package.json"
	npm install --prefix "$dir" --ignore-scripts --no-audit --no-fund --no-save "azurite@$version" >&2
	installed || { echo "azurite.sh: npm installed something else than azurite@$version" >&2; exit 1; }
fi
echo "$entry"
