// A storage account that knows no keys: Entra tokens over TLS 1.2 only, nothing public.
// It is used twice, once for what the host needs and once for the program's tables
// (main.bicep says why).

@minLength(3)
@maxLength(24)
param name string
param location string
param tags object

@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
param sku string

@description('Blob containers to make.')
param containers string[] = []

@description('Tables to make.')
param tables string[] = []

@description('True closes the account to the public network; it is then reached through private endpoints only.')
param privateOnly bool

@description('True keeps the account from being deleted, until the lock is removed by hand.')
param lock bool = false
param workspaceId string

@description('Operations on blobs and tables that are logged: StorageRead, StorageWrite, StorageDelete. Each row written is a log line: see main.bicep.')
param logCategories string[]

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: sku }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: privateOnly ? 'Disabled' : 'Enabled'
    networkAcls: {
      defaultAction: privateOnly ? 'Deny' : 'Allow'
      bypass: 'None'
    }
  }

  // Deleted and overwritten blobs (packages, function keys, the timers' state) can be had
  // back for a week. No versions: leases and timers write without end. Tables have no
  // such thing in Azure; docs/operate.md says how to recover.
  resource blobs 'blobServices' = {
    name: 'default'
    properties: {
      deleteRetentionPolicy: { enabled: true, days: 7 }
      containerDeleteRetentionPolicy: { enabled: true, days: 7 }
    }

    resource container 'containers' = [for c in containers: {
      name: c
      properties: { publicAccess: 'None' }
    }]
  }

  resource tableService 'tableServices' = {
    name: 'default'

    resource table 'tables' = [for t in tables: {
      name: t
    }]
  }
}

var logs = [for category in logCategories: { category: category, enabled: true }]

resource blobLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: account::blobs
  properties: {
    workspaceId: workspaceId
    logs: logs
    metrics: [{ category: 'Transaction', enabled: true }]
  }
}

resource tableLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: account::tableService
  properties: {
    workspaceId: workspaceId
    logs: logs
    metrics: [{ category: 'Transaction', enabled: true }]
  }
}

resource keep 'Microsoft.Authorization/locks@2020-05-01' = if (lock) {
  name: 'keep'
  scope: account
  properties: {
    level: 'CanNotDelete'
    notes: 'Holds what cannot come from anywhere else.'
  }
}

output id string = account.id
output name string = account.name
output blobEndpoint string = account.properties.primaryEndpoints.blob
output tableEndpoint string = account.properties.primaryEndpoints.table
