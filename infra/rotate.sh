#!/bin/sh
# Changes one of the app's own keys in the vault: a step of its rotation (cmd/keys).
#
#   infra/rotate.sh token-keyset|link-keys list | add [-use] | use ID | drop ID
#
# The value goes from the vault to cmd/keys and back by standard input, and through no
# file. The vault is written only when cmd/keys made something of what was there; then
# the app is told to read its references again. Vault and app are those of azd's
# environment. It needs Go, `az login`, and the role Key Vault Secrets Officer.
set -eu
cd "$(dirname "$0")/.."

fail() { echo "rotate: $1" >&2; exit 1; }
usage() { sed -n '4s/^# *//p' "$0" >&2; exit 2; }

[ $# -ge 2 ] || usage
case $1 in token-keyset | link-keys) ;; *) usage ;; esac
kind=$1
shift

# of NAME prints a value of azd's environment.
of() {
	eval "found=\${$1:-}"
	[ -n "$found" ] || found=$(azd env get-value "$1") || fail "azd's environment has no $1"
	echo "$found"
}
vault=$(of KEY_VAULT_NAME)
subscription=$(of AZURE_SUBSCRIPTION_ID)

old=$(az keyvault secret show --subscription "$subscription" --vault-name "$vault" --name "$kind" --query value --output tsv --only-show-errors) || fail "$kind of $vault cannot be read"
[ -n "$old" ] || fail "$kind of $vault is empty"
new=$(printf '%s' "$old" | go run ./cmd/keys "$kind" "$@") || fail "$kind was left as it is"
if [ "$1" = list ]; then
	echo "$new"
	exit
fi
[ -n "$new" ] || fail "$kind was left as it is"
printf '%s' "$new" | az keyvault secret set --subscription "$subscription" --vault-name "$vault" --name "$kind" --file /dev/stdin --encoding utf-8 --output none --only-show-errors ||
	fail "$kind could not be written"
echo "rotate: $kind is changed" >&2
printf '%s' "$new" | go run ./cmd/keys "$kind" list

infra/hooks/refresh.sh "$subscription" "$(of AZURE_RESOURCE_GROUP)" "$(of AZURE_FUNCTION_NAME)"
