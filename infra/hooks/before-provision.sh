#!/bin/sh
# azd, before it provisions: refuses an address that the deployment would take and nobody
# could sign in to, makes ready what a private network needs, and makes the app
# registration where the deployment must not:
#
#   azd env set CALBRIDGE_REGISTRATION script
#
# Its client id becomes the deployment's parameter. Redirect URIs and federated credential
# follow after provisioning, when address and identity are known.
set -eu

fail() { echo "before-provision: $1" >&2; exit 1; }

# Redirect URIs are made of it, and compared letter for letter.
case ${CALBRIDGE_PUBLIC_URL:-} in
'') ;;
*/ | */api | *[!A-Za-z0-9.:/_-]*) fail "CALBRIDGE_PUBLIC_URL must be a plain URL without /api and without a slash at its end" ;;
https://?*) ;;
*) fail "CALBRIDGE_PUBLIC_URL must begin with https://" ;;
esac

# The app's subnet is delegated to a service of this provider, which no template names, so
# that Azure does not register it by itself.
if [ "${CALBRIDGE_PRIVATE_NETWORK:-false}" = true ]; then
	az provider register --namespace Microsoft.App --wait --only-show-errors --output none ${AZURE_SUBSCRIPTION_ID:+--subscription "$AZURE_SUBSCRIPTION_ID"} ||
		fail "the resource provider Microsoft.App could not be registered: az login, or let somebody do it who may"
fi

[ "${CALBRIDGE_REGISTRATION:-template}" = script ] || exit 0
cd "$(dirname "$0")/.."
client=$(./registration.sh -n "${CALBRIDGE_REGISTRATION_DISPLAY_NAME:-Calbridge}" -u "${CALBRIDGE_REGISTRATION_NAME:-calbridge-$AZURE_ENV_NAME}")
[ "${CALBRIDGE_ENTRA_CLIENT_ID:-}" = "$client" ] || azd env set CALBRIDGE_ENTRA_CLIENT_ID "$client"
