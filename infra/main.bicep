// Calbridge in Azure. azd deploys it (`azd up`), and so does
// `az deployment sub create --template-file infra/main.bicep`.
//
// No secret stands here and none comes out: every service knows Entra tokens only, the app
// is one user-assigned identity, and the two keys that it needs are made after the
// deployment, straight into Key Vault.
//
// Parameters are set with `azd env set`, under the names of main.parameters.json. Those
// names differ from the outputs' on purpose: azd remembers outputs, and a client id that
// was put out once would switch the registration off the next time. BUDGET_START is the
// exception and must be remembered.
//
// Queues, topic, tables and settings are those of resources.json, which the program, its
// tests and the local broker read too. docs/operate.md goes through it step by step.

targetScope = 'subscription'

import { authority, commaSeparated, graphEndpoints, healthTestLocations, privateZones } from 'core/cloud.bicep'

// ---- who and where

@description('Name of the environment, which goes into every name.')
@minLength(1)
@maxLength(32)
param environmentName string

@description('Region of everything. It must offer Flex Consumption.')
@minLength(1)
@metadata({ azd: { type: 'location' } })
param location string

@description('Object id of whoever deploys. It gets the role to fill the vault. Empty: nobody does.')
param principalId string = ''

@description('What principalId is. Empty: Azure looks it up, which fails only for a principal made minutes ago.')
@allowed(['', 'User', 'Group', 'ServicePrincipal'])
param principalType string = ''

@description('True also gives principalId tables, queues and topic, to run the program on a developer\'s machine against them. Not for production.')
param deployerRunsLocally bool = false

@description('Object ids of the identities of booking apps that send bookings to the queue, separated by commas.')
param bookingSenders string = ''

@description('Object ids of the identities of booking apps that read the topic\'s subscription, separated by commas.')
param changeReceivers string = ''

// ---- the app to the world

@description('Outside base URL without /api and without a slash at its end. Empty: the function app\'s own host name. A custom domain must lead to the app before people are sent there.')
@maxLength(200)
param publicUrl string = ''

@description('Client id of the app registration where it is made otherwise (registration.sh). Empty: this deployment makes it, for which the deploying person needs rights in Microsoft Graph.')
@maxLength(36)
param entraClientId string = ''

@description('Key of the registration that this deployment makes. It cannot change. Empty: calbridge- and the name of the environment.')
@maxLength(128)
param registrationName string = ''

@description('What administrators and people read on Microsoft\'s pages, where this deployment makes the registration.')
@minLength(1)
@maxLength(120)
param registrationDisplayName string = 'Calbridge'

@description('How the app proves to Entra who it is: its managed identity (no secret at all), or a certificate or secret that you put into the vault as entra-client-certificate or entra-client-secret. Only for an identity that is in another tenant than the registration.')
@allowed(['identity', 'certificate', 'secret'])
param entraCredential string = 'identity'

@description('Entra\'s authority. Empty: that of the cloud that is deployed to.')
@maxLength(200)
param entraAuthority string = ''

@description('Microsoft Graph. Empty: that of the cloud that is deployed to. US Government DoD needs its own.')
@maxLength(200)
param graphEndpoint string = ''

@description('When calendars are looked at without a notification: NCRONTAB, at most every 30 minutes. Empty: every 30 minutes.')
@maxLength(100)
param downSyncSchedule string = ''

@description('Origins that pages may send people back to, separated by commas.')
param allowedReturnOrigins string = ''

@description('Mailbox that alert mails are sent from, in your own tenant. Empty: alerts go to the topic only.')
param alertSender string = ''

@description('Tenant of alertSender, id or domain. Both or neither.')
param alertTenant string = ''

// ---- size

@description('Memory of an instance. It decides the price of a second, and the cores: a quarter, one, two. The program itself needs little; raise it where calbridge-late fires though instances are not at their maximum.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 512

@description('Instances at most. 40 is the least that Flex takes. With 64 sessions each, more than 62 would come near the 5,000 waiting receives that an entity bears (write-path.md section 1).')
@minValue(40)
@maxValue(62)
param maximumInstanceCount int = 40

@description('Instances for HTTP that never stop. 1 where notifications are used: Graph gives them ten seconds, and drops a subscription that is slow. 0 where nobody reads calendars: cheaper, and the first call after a pause waits.')
@minValue(0)
@maxValue(40)
param httpInstances int = 1

@description('True spreads instances over the zones of a region that has some. The always-ready instances are then at least two, and paid for.')
param zoneRedundant bool = false

@description('Copies of what is stored. ZRS outlives the loss of a zone; regions without zones take Standard_LRS.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
param storageRedundancy string = 'Standard_ZRS'

@description('Standard is enough; private networking of the bus exists with Premium only, at some fifty times the price.')
@allowed(['Standard', 'Premium'])
param serviceBusSku string = 'Standard'

@description('True keeps anybody from deleting the account of the tables, azd down included, until the lock is removed by hand.')
param lockTables bool = false

@description('Days for which a deleted vault can be had back, and its name is taken. Fixed when the vault is made.')
@minValue(7)
@maxValue(90)
param vaultSoftDeleteDays int = 90

// ---- private networking

@description('True closes storage and vault (and a Premium bus) to the public network. The app itself stays public: browsers and Microsoft Graph call it.')
param privateNetwork bool = false

@description('Range of that network: a /24 that overlaps none of yours. Empty: 10.90.0.0/24.')
@maxLength(18)
param networkAddressSpace string = ''

@description('True gives outgoing calls one fixed address, which tenants can let in by Conditional Access. Only with privateNetwork; costs a NAT gateway.')
param fixedOutgoingAddress bool = false

@description('Addresses or ranges from which the vault can still be filled when it is closed, separated by commas.')
param allowedAddresses string = ''

// ---- logs, alerts, money

@description('Days for which logs are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('GB of logs a day at most; then nothing more is logged until midnight UTC.')
@minValue(1)
@maxValue(100)
param logDailyCapGb int = 2

@description('True logs what the host says past Application Insights too. It is much the same text twice, and what remains when telemetry cannot be sent.')
param platformLogs bool = true

@description('Operations on blobs and tables that are logged, separated by commas: StorageRead, StorageWrite, StorageDelete. One delivery is some ten operations, each a line of about a kilobyte: all three would cost more than everything else.')
param storageLogCategories string = 'StorageDelete'

@description('Addresses that alerts are mailed to, separated by commas. Empty: they are seen in the portal only.')
param alertEmails string = ''

@description('Failed invocations of one function in 15 minutes above which calbridge-failed fires.')
@minValue(0)
@maxValue(100000)
param alertFailures int = 5

@description('Error lines in 15 minutes above which calbridge-errors fires.')
@minValue(0)
@maxValue(100000)
param alertErrors int = 10

@description('Seconds that a message may have waited before calbridge-late fires.')
@minValue(300)
@maxValue(86400)
param alertLateSeconds int = 900

@description('Messages that may lie in a queue at every moment of half an hour before calbridge-waiting fires. Raise it to what is usual where there is always work.')
@minValue(0)
@maxValue(100000)
param alertWaitingMessages int = 10

@description('Seconds between two calls of Health from one place; 0: no calls. Three places at 900 are some 8,600 paid calls a month.')
@allowed([0, 300, 600, 900])
param healthTestSeconds int = 900

@description('Places that Health is called from, separated by commas. Empty: three of the cloud that is deployed to.')
param healthTestPlaces string = ''

@description('What the resource group may cost a month, in the currency of the subscription, before mails are sent at 80 % spent and 100 % forecast; 0: no budget.')
@minValue(0)
@maxValue(1000000)
param monthlyBudget int = 200

@description('First day of the month in which the budget was made. Azure never takes another one for a budget that is there; azd remembers it (output BUDGET_START). Empty: this month.')
@maxLength(10)
param budgetStart string = ''

@description('Not to be given: the month of the deployment.')
param thisMonth string = utcNow('yyyy-MM-01')

// ---- names

var abbreviations = loadJsonContent('abbreviations.json')
var resources = loadJsonContent('resources.json')
var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = { 'azd-env-name': environmentName }

// as in azure.yaml
var serviceName = 'api'

// What could not be understood lies here until the operator redrives it; every other queue
// is served by functions.
var parked = ['bookings-rejected']
var queues = map(resources.queues, queue => queue.name)
var served = filter(queues, name => !contains(parked, name))
var topics = map(resources.topics, topic => topic.name)

var hostStorageName = '${abbreviations.storageStorageAccounts}host${token}'
var tablesStorageName = '${abbreviations.storageStorageAccounts}data${token}'
var namespaceName = '${abbreviations.serviceBusNamespaces}${token}'
var vaultName = '${abbreviations.keyVaultVaults}${token}'
var packageContainer = 'app-package-${token}'

var logCategories = commaSeparated(storageLogCategories)
var emails = commaSeparated(alertEmails)
var addresses = commaSeparated(allowedAddresses)
var places = empty(healthTestPlaces) ? healthTestLocations[environment().name] : commaSeparated(healthTestPlaces)
var zones = privateZones(environment().suffixes.storage, environment().suffixes.keyvaultDns, environment().suffixes.sqlServerHostname)
var privateBus = privateNetwork && serviceBusSku == 'Premium'

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: '${abbreviations.resourcesResourceGroups}${environmentName}'
  location: location
  tags: tags
}

module identity 'core/identity.bicep' = {
  name: 'identity'
  scope: group
  params: {
    name: '${abbreviations.managedIdentityUserAssignedIdentities}${token}'
    location: location
    tags: tags
  }
}

module monitoring 'core/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    workspaceName: '${abbreviations.operationalInsightsWorkspaces}${token}'
    componentName: '${abbreviations.insightsComponents}${token}'
    location: location
    tags: tags
    retentionInDays: logRetentionDays
    dailyCapGb: logDailyCapGb
  }
}

// ---- what is stored
//
// Two accounts. The first holds what the host needs: function keys, leases, and the package
// that is run, so that whoever writes there runs code. The second holds the truth, the
// tables. A role, a lock, a log setting or a restore for one of them is then none for the
// other, and the host's leases are not counted against the tables' limits.

module hostStorage 'core/storage.bicep' = {
  name: 'host-storage'
  scope: group
  params: {
    name: hostStorageName
    location: location
    tags: tags
    sku: storageRedundancy
    containers: [packageContainer]
    privateOnly: privateNetwork
    workspaceId: monitoring.outputs.workspaceId
    logCategories: logCategories
  }
}

module tablesStorage 'core/storage.bicep' = {
  name: 'tables-storage'
  scope: group
  params: {
    name: tablesStorageName
    location: location
    tags: tags
    sku: storageRedundancy
    tables: resources.tables
    privateOnly: privateNetwork
    lock: lockTables
    workspaceId: monitoring.outputs.workspaceId
    logCategories: logCategories
  }
}

module bus 'app/bus.bicep' = {
  name: 'bus'
  scope: group
  params: {
    name: namespaceName
    location: location
    tags: tags
    sku: serviceBusSku
    privateOnly: privateBus
    workspaceId: monitoring.outputs.workspaceId
  }
}

module vault 'core/vault.bicep' = {
  name: 'vault'
  scope: group
  params: {
    name: vaultName
    location: location
    tags: tags
    softDeleteDays: vaultSoftDeleteDays
    privateOnly: privateNetwork
    allowedAddresses: addresses
    workspaceId: monitoring.outputs.workspaceId
  }
}

module network 'core/network.bicep' = if (privateNetwork) {
  name: 'network'
  scope: group
  params: {
    name: '${abbreviations.networkVirtualNetworks}${token}'
    securityGroupName: '${abbreviations.networkNetworkSecurityGroups}${token}'
    natName: '${abbreviations.networkNatGateways}${token}'
    publicAddressName: '${abbreviations.networkPublicIPAddresses}${token}'
    location: location
    tags: tags
    addressSpace: empty(networkAddressSpace) ? '10.90.0.0/24' : networkAddressSpace
    fixedOutgoingAddress: fixedOutgoingAddress
    zones: concat([zones.blob, zones.table, zones.vault], privateBus ? [zones.namespace] : [])
  }
}

// No endpoint for storage queues: only blob triggers would use them, and there are none.
module endpoints 'core/private-endpoints.bicep' = if (privateNetwork) {
  name: 'endpoints'
  scope: group
  params: {
    location: location
    tags: tags
    subnetId: network!.outputs.endpointSubnetId
    services: concat([
      { name: '${abbreviations.networkPrivateEndpoints}host-blob-${token}', id: hostStorage.outputs.id, group: 'blob', zone: zones.blob }
      { name: '${abbreviations.networkPrivateEndpoints}host-table-${token}', id: hostStorage.outputs.id, group: 'table', zone: zones.table }
      { name: '${abbreviations.networkPrivateEndpoints}data-table-${token}', id: tablesStorage.outputs.id, group: 'table', zone: zones.table }
      { name: '${abbreviations.networkPrivateEndpoints}vault-${token}', id: vault.outputs.id, group: 'vault', zone: zones.vault }
    ], privateBus ? [
      { name: '${abbreviations.networkPrivateEndpoints}bus-${token}', id: bus.outputs.id, group: 'namespace', zone: zones.namespace }
    ] : [])
  }
}

module roles 'app/roles.bicep' = {
  name: 'roles'
  scope: group
  params: {
    principalId: identity.outputs.principalId
    hostStorageName: hostStorage.outputs.name
    tablesStorageName: tablesStorage.outputs.name
    namespaceName: bus.outputs.name
    vaultName: vault.outputs.name
    componentName: monitoring.outputs.componentName
    served: served
    parked: parked
    published: topics
  }
}

module people 'app/people.bicep' = {
  name: 'people'
  scope: group
  params: {
    tablesStorageName: tablesStorage.outputs.name
    namespaceName: bus.outputs.name
    vaultName: vault.outputs.name
    deployerId: principalId
    deployerType: principalType
    deployerRunsLocally: deployerRunsLocally
    queues: queues
    changes: { topic: 'changes', subscription: 'all' }
    bookingsQueue: 'bookings'
    bookingSenders: commaSeparated(bookingSenders)
    changeReceivers: commaSeparated(changeReceivers)
  }
}

// ---- the app

module app 'app/function.bicep' = {
  name: 'function'
  scope: group
  params: {
    name: '${abbreviations.webSitesFunctions}${token}'
    planName: '${abbreviations.webServerFarms}${token}'
    location: location
    tags: tags
    serviceName: serviceName
    identityId: identity.outputs.id
    packageUrl: '${hostStorage.outputs.blobEndpoint}${packageContainer}'
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    httpInstances: zoneRedundant && httpInstances > 0 ? max(2, httpInstances) : httpInstances
    zoneRedundant: zoneRedundant
    subnetId: privateNetwork ? network!.outputs.appSubnetId : ''
    workspaceId: monitoring.outputs.workspaceId
    platformLogs: platformLogs
  }
  // The app reads keys, package and secrets as soon as it is there.
  dependsOn: [roles, endpoints]
}

var url = empty(publicUrl) ? 'https://${app.outputs.host}' : publicUrl

module registration 'app/registration.bicep' = if (empty(entraClientId)) {
  name: 'registration'
  scope: group
  params: {
    uniqueName: empty(registrationName) ? 'calbridge-${environmentName}' : registrationName
    displayName: registrationDisplayName
    publicUrl: url
    identityPrincipalId: identity.outputs.principalId
  }
}

var clientId = empty(entraClientId) ? registration!.outputs.clientId : entraClientId
var authorityUrl = empty(entraAuthority) ? authority(environment().authentication.loginEndpoint) : entraAuthority
var graphUrl = empty(graphEndpoint) ? graphEndpoints[environment().name] : graphEndpoint

module settings 'app/settings.bicep' = {
  name: 'settings'
  scope: group
  params: {
    appName: app.outputs.name
    vaultUri: vault.outputs.uri
    entraCredential: entraCredential
    values: {
      storageAccountName: hostStorage.outputs.name
      identityClientId: identity.outputs.clientId
      applicationInsightsConnectionString: monitoring.outputs.connectionString
      applicationInsightsAuthentication: 'ClientId=${identity.outputs.clientId};Authorization=AAD'
      publicUrl: url
      tablesEndpoint: tablesStorage.outputs.tableEndpoint
      serviceBusNamespace: bus.outputs.host
      entraClientId: clientId
      entraAuthority: authorityUrl
      graphEndpoint: graphUrl
      // The trigger resolves the setting itself: an empty one would keep the host from starting it.
      downSyncSchedule: empty(downSyncSchedule) ? '0 */30 * * * *' : downSyncSchedule
      allowedReturnOrigins: allowedReturnOrigins
      alertSender: alertSender
      alertTenant: alertTenant
    }
  }
}

// ---- who is told of what

module actionGroup 'core/action-group.bicep' = {
  name: 'action-group'
  scope: group
  params: {
    name: 'calbridge-operators'
    tags: tags
    emails: emails
  }
}

module alertsBus 'app/alerts-bus.bicep' = {
  name: 'alerts-bus'
  scope: group
  params: {
    namespaceName: bus.outputs.name
    actionGroupId: actionGroup.outputs.id
    tags: tags
    served: served
    parked: parked
    waitingMessages: alertWaitingMessages
  }
}

module alertsLog 'app/alerts-log.bicep' = {
  name: 'alerts-log'
  scope: group
  params: {
    componentId: monitoring.outputs.componentId
    workspaceId: monitoring.outputs.workspaceId
    actionGroupId: actionGroup.outputs.id
    location: location
    tags: tags
    failures: alertFailures
    errors: alertErrors
    lateSeconds: alertLateSeconds
  }
}

module health 'app/health.bicep' = if (healthTestSeconds > 0) {
  name: 'health'
  scope: group
  params: {
    name: 'health-${token}'
    location: location
    tags: tags
    componentId: monitoring.outputs.componentId
    actionGroupId: actionGroup.outputs.id
    publicUrl: url
    seconds: healthTestSeconds
    locations: places
  }
}

module budget 'app/budget.bicep' = if (monthlyBudget > 0) {
  name: 'budget'
  scope: group
  params: {
    name: 'calbridge-budget'
    amount: monthlyBudget
    start: empty(budgetStart) ? thisMonth : budgetStart
    emails: emails
    actionGroupId: actionGroup.outputs.id
  }
}

// ---- for azd, its hooks and the operator; each becomes a value of the azd environment

output AZURE_LOCATION string = location
output AZURE_TENANT_ID string = tenant().tenantId
output AZURE_RESOURCE_GROUP string = group.name
output AZURE_FUNCTION_NAME string = app.outputs.name
output PUBLIC_URL string = url
output ENTRA_CLIENT_ID string = clientId
output ENTRA_REDIRECT_URIS string[] = ['${url}/api/consent/callback', '${url}/api/connect/callback']
output IDENTITY_NAME string = identity.outputs.name
output IDENTITY_CLIENT_ID string = identity.outputs.clientId
output IDENTITY_PRINCIPAL_ID string = identity.outputs.principalId
output ENTRA_AUTHORITY string = authorityUrl
output GRAPH_ENDPOINT string = graphUrl
output TABLES_ENDPOINT string = tablesStorage.outputs.tableEndpoint
output SERVICEBUS_NAMESPACE string = bus.outputs.host
output KEY_VAULT_NAME string = vault.outputs.name
output KEY_VAULT_URI string = vault.outputs.uri
output APPLICATION_INSIGHTS_NAME string = monitoring.outputs.componentName
output LOG_WORKSPACE_NAME string = monitoring.outputs.workspaceName
output OUTGOING_ADDRESS string = privateNetwork ? network!.outputs.outgoingAddress : ''
output BUDGET_START string = monthlyBudget > 0 ? budget!.outputs.start : budgetStart
