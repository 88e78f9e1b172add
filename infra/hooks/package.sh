#!/bin/sh
# azd, before it packages: makes build/app. Version and commit are what Health shows.
set -eu
cd "$(dirname "$0")/../.."
exec make package "VERSION=$(git describe --tags --always --dirty --abbrev=40 2>/dev/null || echo dev)"
