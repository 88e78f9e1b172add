#!/bin/sh
# Prints the path of Chromium, which the tests of the pages want in CHROMIUM, and
# installs Debian's where there is none and it may.
set -eu

find() { command -v chromium || command -v chromium-browser || command -v google-chrome; }

if ! find; then
	{ [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get -qq update >&2 &&
		DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends chromium fonts-dejavu-core >&2 && find; } || {
		echo "The tests of the pages need Chromium: install it (Debian: chromium) and run make test again." >&2
		exit 1
	}
fi
