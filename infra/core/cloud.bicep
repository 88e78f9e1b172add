// What differs between Azure's clouds and cannot be had from environment(). Nothing is
// made here; main.bicep imports it. Where a cloud is missing, the parameters graphEndpoint
// and healthTestLocations say it.

@export()
@description('Microsoft Graph, by the name of the cloud.')
var graphEndpoints = {
  AzureCloud: 'https://graph.microsoft.com'
  AzureUSGovernment: 'https://graph.microsoft.us'
  AzureChinaCloud: 'https://microsoftgraph.chinacloudapi.cn'
}

@export()
@description('From where availability is tested, by the name of the cloud.')
var healthTestLocations = {
  AzureCloud: ['emea-nl-ams-azr', 'emea-gb-db3-azr', 'us-va-ash-azr']
  AzureUSGovernment: ['usgov-va-azr', 'usgov-phx-azr', 'usgov-tx-azr']
  AzureChinaCloud: ['mc-cne-azr', 'mc-cne2-azr', 'mc-cnn-azr']
}

@export()
@description('Entra\'s authority, without the slash that environment() ends it with. In China environment() still has the name from before v2.0.')
func authority(loginEndpoint string) string =>
  replace(endsWith(loginEndpoint, '/') ? substring(loginEndpoint, 0, length(loginEndpoint) - 1) : loginEndpoint, 'login.chinacloudapi.cn', 'login.partner.microsoftonline.cn')

@export()
@description('The private DNS zones by service. Service Bus and Key Vault have names that environment() does not know: the first shares its domain with SQL, the second differs by one word.')
func privateZones(storage string, keyVault string, sql string) { blob: string, table: string, vault: string, namespace: string } => {
  blob: 'privatelink.blob.${storage}'
  table: 'privatelink.table.${storage}'
  vault: 'privatelink${replace(keyVault, '.vault.', '.vaultcore.')}'
  namespace: 'privatelink${replace(sql, '.database.', '.servicebus.')}'
}

@export()
@description('A list that was given as text, separated by commas.')
func commaSeparated(text string) string[] => filter(map(split(text, ','), item => trim(item)), item => !empty(item))
