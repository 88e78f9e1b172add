#!/bin/sh
# Installs axe-core, which looks for what keeps people from using a page, below
# build/axe and prints the path of its script, which the tests want in AXE.
#
# Needs node and npm. Does nothing when the version wanted is there already.
set -eu
version=4.11.4

root=$(cd "$(dirname "$0")/../.." && pwd)
dir=$root/build/axe
package=$dir/node_modules/axe-core/package.json

installed() { [ -f "$package" ] && grep -q "\"version\": \"$version\"" "$package"; }

if ! installed; then
	command -v npm >/dev/null || { echo "axe.sh: the tests need Node.js with npm (for axe-core): install them and run make test again." >&2; exit 1; }
	mkdir -p "$dir"
	[ -f "$dir/package.json" ] || echo '{"private": true}' >"$dir/package.json"
	npm install --prefix "$dir" --ignore-scripts --no-audit --no-fund --no-save "axe-core@$version" >&2
	installed || { echo "axe.sh: npm installed something else than axe-core@$version" >&2; exit 1; }
fi
echo "$dir/node_modules/axe-core/axe.min.js"
