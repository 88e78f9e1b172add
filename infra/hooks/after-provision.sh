#!/bin/sh
# azd, after it provisioned: fills the vault with the two keys that the app cannot do
# without, if they are not there, and completes a registration that registration.sh made.
#
# Keys go from cmd/keys to az by standard input: no argument, no file and no log has them.
# A key that is there is never replaced: without token-keyset every connection of every
# person is lost. It needs Go, and `az login` besides `azd auth login`.
set -eu
cd "$(dirname "$0")/../.."

say() { echo "after-provision: $1" >&2; }
fail() { say "$1"; exit 1; }

for name in AZURE_SUBSCRIPTION_ID AZURE_RESOURCE_GROUP AZURE_FUNCTION_NAME KEY_VAULT_NAME PUBLIC_URL IDENTITY_PRINCIPAL_ID; do
	eval "[ -n \"\${$name:-}\" ]" || fail "$name is missing: run this as a hook of azd, or with the values of \`azd env get-values\`."
done
command -v az >/dev/null || fail "the Azure CLI (az) is not installed"
az account show --output none 2>/dev/null || fail "sign in first: az login"

# The subscription is named each time: az may be at another one, of another tenant.
# A role that was just given takes some minutes until the vault knows it.
tries=20 pause=15
why=$(mktemp)
trap 'rm -f "$why"' EXIT
until present=$(az keyvault secret list --subscription "$AZURE_SUBSCRIPTION_ID" --vault-name "$KEY_VAULT_NAME" --query "[].name" --output tsv --only-show-errors 2>"$why"); do
	tries=$((tries - 1))
	if [ $tries = 0 ]; then
		say "the vault $KEY_VAULT_NAME cannot be read. It takes the role Key Vault Secrets Officer (parameter principalId), and, where the network is private, an address of CALBRIDGE_ALLOWED_ADDRESSES:"
		cat "$why" >&2
		exit 1
	fi
	say "the vault does not let us in yet; again in $pause s"
	sleep $pause
done

filled=no
for name in token-keyset link-keys; do
	case " $(echo "$present" | tr '\n' ' ') " in
	*" $name "*) continue ;;
	esac
	value=$(go run ./cmd/keys "$name") || fail "no key could be made for $name"
	printf '%s' "$value" | az keyvault secret set --subscription "$AZURE_SUBSCRIPTION_ID" --vault-name "$KEY_VAULT_NAME" --name "$name" \
		--file /dev/stdin --encoding utf-8 --output none --only-show-errors
	value=
	filled=yes
	say "made $name"
done

credential=${CALBRIDGE_ENTRA_CREDENTIAL:-identity}
if [ "$credential" != identity ]; then
	case " $(echo "$present" | tr '\n' ' ') " in
	*" entra-client-$credential "*) ;;
	*) say "put the app's $credential into the vault as entra-client-$credential: the app does not start without it" ;;
	esac
fi

if [ $filled = yes ]; then
	infra/hooks/refresh.sh "$AZURE_SUBSCRIPTION_ID" "$AZURE_RESOURCE_GROUP" "$AZURE_FUNCTION_NAME" || : # it has said so
fi

if [ "${CALBRIDGE_REGISTRATION:-template}" = script ]; then
	infra/registration.sh -n "${CALBRIDGE_REGISTRATION_DISPLAY_NAME:-Calbridge}" -u "${CALBRIDGE_REGISTRATION_NAME:-calbridge-$AZURE_ENV_NAME}" \
		-p "$PUBLIC_URL" -i "$IDENTITY_PRINCIPAL_ID" >/dev/null
fi
