#!/bin/sh
# Tells the app to read its references to Key Vault again, which it does by itself within
# a day only. It starts its instances anew for that.
#
#   infra/hooks/refresh.sh SUBSCRIPTION RESOURCE_GROUP APP
set -eu
az rest --method POST --only-show-errors --output none \
	--uri "/subscriptions/$1/resourceGroups/$2/providers/Microsoft.Web/sites/$3/config/configreferences/appsettings/refresh?api-version=2022-03-01" || {
	echo "refresh: $3 could not be told; it reads its keys again within a day, or when its settings change" >&2
	exit 1
}
