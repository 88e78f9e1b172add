#!/bin/sh
# azd, before it provisions: makes the app registration where the deployment must not.
#
#   azd env set CALBRIDGE_REGISTRATION script
#
# Its client id becomes the deployment's parameter. Redirect URIs and federated credential
# follow after provisioning, when address and identity are known.
set -eu

[ "${CALBRIDGE_REGISTRATION:-template}" = script ] || exit 0
cd "$(dirname "$0")/.."
client=$(./registration.sh -n "${CALBRIDGE_REGISTRATION_DISPLAY_NAME:-Calbridge}" -u "${CALBRIDGE_REGISTRATION_NAME:-calbridge-$AZURE_ENV_NAME}")
[ "${CALBRIDGE_ENTRA_CLIENT_ID:-}" = "$client" ] || azd env set CALBRIDGE_ENTRA_CLIENT_ID "$client"
