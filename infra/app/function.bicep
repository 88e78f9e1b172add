// The function app on Flex Consumption, without its settings: those need the host name
// that is known only when the app is there (settings.bicep).
//
// The runtime is a custom handler, named here and not in settings: on Flex neither
// FUNCTIONS_WORKER_RUNTIME nor FUNCTIONS_EXTENSION_VERSION is set
// (functions/contract.md 6.1), and the program reads neither. For the same reason siteConfig
// has no alwaysOn, ftpsState, use32BitWorkerProcess or linuxFxVersion: they are of other
// plans, and Microsoft's list of what Flex Consumption no longer has says to leave them out.

@minLength(2)
@maxLength(60)
param name string
@minLength(1)
@maxLength(60)
param planName string
param location string
param tags object

@description('The service of azure.yaml that azd deploys here.')
param serviceName string

@description('Resource id of the user-assigned identity.')
param identityId string

@description('Blob endpoint and container that packages are deployed to and mounted from.')
param packageUrl string

@allowed([512, 2048, 4096])
param instanceMemoryMB int

@minValue(40)
@maxValue(62)
param maximumInstanceCount int

@minValue(0)
@maxValue(40)
param httpInstances int

@description('True spreads instances over zones.')
param zoneRedundant bool

@description('The subnet that instances send from; empty: none.')
param subnetId string = ''
param workspaceId string

@description('True sends the host\'s own log to the workspace too, past Application Insights: it is what remains when telemetry cannot be sent.')
param platformLogs bool

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
    zoneRedundant: zoneRedundant
  }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: name
  location: location
  tags: union(tags, { 'azd-service-name': serviceName })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    clientAffinityEnabled: false
    publicNetworkAccess: 'Enabled'
    // references to Key Vault would else be read as the system-assigned identity, which
    // is not there
    keyVaultReferenceIdentity: identityId
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      remoteDebuggingEnabled: false
      http20Enabled: true
      // No browser code of another origin has any business here.
      cors: { allowedOrigins: [] }
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packageUrl
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: {
        name: 'custom'
        version: '1.0'
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        // Graph gives a notification ten seconds, and a first start may take longer.
        alwaysReady: httpInstances > 0 ? [{ name: 'http', instanceCount: httpInstances }] : []
      }
    }
  }

  // User name and password for deployment: off. azd and the workflow deploy with Entra tokens.
  resource ftp 'basicPublishingCredentialsPolicies' = {
    name: 'ftp'
    properties: { allow: false }
  }

  resource scm 'basicPublishingCredentialsPolicies' = {
    name: 'scm'
    properties: { allow: false }
  }
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: app
  properties: {
    workspaceId: workspaceId
    logs: [{ category: 'FunctionAppLogs', enabled: platformLogs }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

output id string = app.id
output name string = app.name
output host string = app.properties.defaultHostName
