#!/bin/sh
# Makes or mends the app registration with the Azure CLI, for tenants that do not let a
# deployment write to Microsoft Graph (app/registration.bicep does the same there).
#
#   infra/registration.sh [-n NAME] [-u UNIQUE_NAME] [-p PUBLIC_URL] [-i PRINCIPAL_ID]
#
#   -n  what customers' administrators read; default Calbridge
#   -u  the key of the registration in its tenant; default calbridge
#   -p  outside base URL without /api; adds the two redirect URIs
#   -i  principal id of the managed identity; adds the federated credential
#
# Prints the client id, and nothing else, on standard output. It may be run again at any
# time: what is as it should be is left alone, and redirect URIs and credentials that
# somebody added by hand stay. It needs Application Administrator or Developer, or the
# right to register apps and ownership of this one, and `az login` in that tenant.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
name=Calbridge unique=calbridge public='' principal=''
usage() { sed -n '5,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
while getopts n:u:p:i: option; do
	case $option in
	n) name=$OPTARG ;;
	u) unique=$OPTARG ;;
	p) public=$OPTARG ;;
	i) principal=$OPTARG ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
[ $# = 0 ] || usage

# What goes into JSON and URLs is checked here, so that nothing needs quoting below.
refuse() { echo "registration: $1" >&2; exit 2; }
case $name in *[!A-Za-z0-9\ ._-]* | '') refuse "NAME may hold letters, digits, blanks, dots, _ and -" ;; esac
case $unique in *[!A-Za-z0-9._-]* | '') refuse "UNIQUE_NAME may hold letters, digits, dots, _ and -" ;; esac
case $public in *[!A-Za-z0-9.:/_-]* | */) refuse "PUBLIC_URL must be a plain URL without a slash at its end" ;; '' | https://?*) ;; *) refuse "PUBLIC_URL must begin with https://" ;; esac
case $principal in *[!0-9A-Fa-f-]*) refuse "PRINCIPAL_ID must be a GUID" ;; esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
say() { echo "registration: $1" >&2; }

# graph METHOD PATH [az's arguments] calls Microsoft Graph; its failure is told in one
# sentence, with what az said behind it.
graph() {
	method=$1 path=$2
	shift 2
	if az rest --method "$method" --uri "$endpoint/v1.0$path" --only-show-errors "$@" 2>"$work/error"; then
		return 0
	fi
	case $(cat "$work/error") in
	*Authorization_RequestDenied* | *"Insufficient privileges"*)
		say "$(account) may not do this: it takes Application Administrator, Application Developer, or ownership of the registration." ;;
	*"az login"* | *AADSTS*)
		say "sign in first: az login --tenant <the operator's tenant>" ;;
	*)
		say "Microsoft Graph refused $method $path:" ;;
	esac
	cat "$work/error" >&2
	return 1
}

account() { az account show --query user.name --output tsv 2>/dev/null || echo "this account"; }

if ! command -v az >/dev/null; then
	say "the Azure CLI (az) is not installed"
	exit 1
fi
endpoint=$(az cloud show --query endpoints.microsoftGraphResourceId --output tsv) || { say "az cloud show failed"; exit 1; }
endpoint=${endpoint%/}
login=$(az cloud show --query endpoints.activeDirectory --output tsv) || { say "az cloud show failed"; exit 1; }
login=${login%/}
# az still has the name from before v2.0.
[ "$login" != https://login.chinacloudapi.cn ] || login=https://login.partner.microsoftonline.cn
tenant=$(az account show --query tenantId --output tsv) || { say "sign in first: az login --tenant <the operator's tenant>"; exit 1; }
case $login in
*.us) audience=api://AzureADTokenExchangeUSGov ;;
*.cn) audience=api://AzureADTokenExchangeChina ;;
*) audience=api://AzureADTokenExchange ;;
esac

registration=$here/registration.json

# value NAME prints a member of registration.json that is a string.
value() { sed -n "s/.*\"$1\": \"\([^\"]*\)\".*/\1/p" "$registration"; }
permissions="$(value resourceAppId) $(sed -n 's/.*"id": "\([^"]*\)", "type": "\([^"]*\)".*/\2=\1/p' "$registration" | LC_ALL=C sort | tr '\n' ' ')"
permissions=${permissions% }

# read_app reads the registration into variables; false where there is none.
read_app() {
	: >"$work/found"
	if ! graph GET "/applications(uniqueName='$unique')" --query "[id, appId, displayName, signInAudience, groupMembershipClaims, join(' ', requiredResourceAccess[].join(' ', [resourceAppId, join(' ', sort(resourceAccess[].join('=', [type, id])))])), join(' ', sort(web.redirectUris))]" --output tsv >"$work/found" 2>"$work/why"; then
		case $(cat "$work/error") in
		*Request_ResourceNotFound*) return 1 ;;
		esac
		cat "$work/why" >&2
		exit 1
	fi
	{
		read -r id
		read -r client
		read -r display
		read -r audience_of
		read -r claims
		read -r declared
		read -r redirects
	} <"$work/found"
}

json="Content-Type=application/json"
upsert="Prefer=create-if-missing"

if ! read_app; then
	{
		printf '{ "displayName": "%s",' "$name"
		sed '1s/{//' "$registration"
	} >"$work/body"
	graph PATCH "/applications(uniqueName='$unique')" --headers "$json" "$upsert" --body "@$work/body" --query "[id, appId]" --output tsv >"$work/found"
	{
		read -r id
		read -r client
	} <"$work/found"
	redirects=
	say "made $name ($client)"
else
	if [ "$display" != "$name" ] || [ "$audience_of" != "$(value signInAudience)" ] || [ "$claims" != "$(value groupMembershipClaims)" ] || [ "$declared" != "$permissions" ]; then
		{
			printf '{ "displayName": "%s",' "$name"
			sed '1s/{//' "$registration"
		} >"$work/body"
		graph PATCH "/applications/$id" --headers "$json" --body "@$work/body"
		say "set name, audience, claims and permissions of $client"
	fi
fi

# Redirect URIs: those that are there stay.
if [ -n "$public" ]; then
	wanted=$redirects
	for path in consent/callback connect/callback; do
		case " $wanted " in
		*" $public/api/$path "*) ;;
		*) wanted="$wanted $public/api/$path" ;;
		esac
	done
	if [ "$wanted" != "$redirects" ]; then
		list=
		for uri in $wanted; do list="$list, \"$uri\""; done
		printf '{ "web": { "redirectUris": [%s] } }\n' "${list#, }" >"$work/body"
		graph PATCH "/applications/$id" --headers "$json" --body "@$work/body"
		say "added redirect URIs below $public"
	fi
fi

# Without a service principal nobody can sign in, not even in the operator's own tenant.
if ! graph GET "/servicePrincipals(appId='$client')" --query id --output tsv >"$work/found" 2>"$work/why"; then
	case $(cat "$work/error") in
	*Request_ResourceNotFound*) ;;
	*) cat "$work/why" >&2; exit 1 ;;
	esac
	printf '{ "appId": "%s" }\n' "$client" >"$work/body"
	graph POST /servicePrincipals --headers "$json" --body "@$work/body" --output none
	say "made the service principal"
fi

if [ -n "$principal" ]; then
	issuer=$login/$tenant/v2.0
	credentials=/applications/$id/federatedIdentityCredentials
	graph GET "$credentials" --query "value[?name=='function-app'].join(' ', [issuer, subject, join(' ', audiences)])" --output tsv >"$work/found"
	if [ "$(cat "$work/found")" != "$issuer $principal $audience" ]; then
		printf '{ "issuer": "%s", "subject": "%s", "audiences": ["%s"], "description": "The managed identity of the function app" }\n' \
			"$issuer" "$principal" "$audience" >"$work/body"
		graph PATCH "$credentials(name='function-app')" --headers "$json" "$upsert" --body "@$work/body" --output none
		say "set the federated credential of the managed identity"
	fi
fi

echo "$client"
