#!/bin/sh
# azd, before it packages: makes build/app, as `make package` does. The version that
# Health shows is VERSION's, if there is one: a release has it, and only a package of the
# same version is the same to the byte.
set -eu
cd "$(dirname "$0")/../.."
exec make package
