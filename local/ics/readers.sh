#!/bin/sh
# Installs two readers of calendar files that share nothing with ours, ical.js of
# npm and libical of Debian, below build/readers, and prints that directory, which
# the tests want in ICS_READERS:
#
#   ICS_READERS=$(local/ics/readers.sh) go test ./shared/ics/
#
# Needs node and npm, and a C compiler with libical's headers, which it installs
# with apt-get where it may. Does nothing when all is there already.
set -eu
version=2.2.1

root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/local/ics
dir=$root/build/readers
package=$dir/node_modules/ical.js/package.json

fail() {
	echo "readers.sh: $1" >&2
	exit 1
}

icaljs() { [ -f "$package" ] && grep -q "\"version\": \"$version\"" "$package"; }
headers() { command -v cc >/dev/null && echo '#include <libical/ical.h>' | cc -E -x c - >/dev/null 2>&1; }

mkdir -p "$dir"
if ! icaljs; then
	command -v npm >/dev/null || fail "the tests need Node.js with npm (for ical.js): install them and run make test again."
	[ -f "$dir/package.json" ] || echo '{"private": true, "type": "module"}' >"$dir/package.json"
	npm install --prefix "$dir" --ignore-scripts --no-audit --no-fund --no-save "ical.js@$version" >&2
	icaljs || fail "npm installed something else than ical.js@$version"
fi
cmp -s "$here/icaljs.mjs" "$dir/icaljs.mjs" || cp "$here/icaljs.mjs" "$dir/icaljs.mjs"

if [ ! -x "$dir/libical" ] || [ "$here/libical.c" -nt "$dir/libical" ]; then
	headers || { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get -qq update >&2 &&
		DEBIAN_FRONTEND=noninteractive apt-get -qq install -y gcc libc6-dev libical-dev >&2 && headers; } ||
		fail "the tests need a C compiler and libical's headers (Debian: gcc libical-dev): install them and run make test again."
	cc -O1 -Wall -o "$dir/libical.new" "$here/libical.c" -lical || fail "libical.c does not compile"
	mv "$dir/libical.new" "$dir/libical"
fi
echo "$dir"
