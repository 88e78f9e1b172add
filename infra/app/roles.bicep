// What the app's identity may do, each at the narrowest scope that works. Nothing else
// has a role here but people (people.bicep).
//
// The scopes are the entities of resources.json. Which of them are served, and which are
// only sent to, is what the functions and the engine do.

import { roleIds } from '../core/roles.bicep'

param principalId string
param hostStorageName string
param tablesStorageName string
param namespaceName string
param vaultName string
param componentName string

@description('Queues that functions are triggered by, their dead-letter queues included.')
param served string[]

@description('Queues that are sent to, and read only when the operator redrives.')
param parked string[]

@description('Topics that are sent to.')
param published string[]

resource hostStorage 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: hostStorageName
}

resource tablesStorage 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: tablesStorageName
}

resource namespace 'Microsoft.ServiceBus/namespaces@2024-01-01' existing = {
  name: namespaceName
}

resource servedQueue 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' existing = [for name in served: {
  parent: namespace
  name: name
}]

resource parkedQueue 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' existing = [for name in parked: {
  parent: namespace
  name: name
}]

resource publishedTopic 'Microsoft.ServiceBus/namespaces/topics@2024-01-01' existing = [for name in published: {
  parent: namespace
  name: name
}]

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' existing = {
  name: vaultName
}

resource component 'Microsoft.Insights/components@2020-02-02' existing = {
  name: componentName
}

// The host keeps function keys, leases and the timers' state in blobs, in containers that
// it makes itself: hence Owner, and on the account. The package is mounted from there too.
resource hostBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(hostStorage.id, principalId, roleIds.blobDataOwner)
  scope: hostStorage
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.blobDataOwner)
    description: 'Function app: function keys, leases, state of timers, package'
  }
}

// The host writes what went wrong at its start into a table of this account; without the
// role it logs a warning at each start, and the portal has nothing to show.
resource hostTables 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(hostStorage.id, principalId, roleIds.tableDataContributor)
  scope: hostStorage
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.tableDataContributor)
    description: 'Function app: diagnostic events of the host'
  }
}

// On the account and not on each table, because the program makes the ledger's table of a
// month itself and drops it when it is old.
resource tables 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(tablesStorage.id, principalId, roleIds.tableDataContributor)
  scope: tablesStorage
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.tableDataContributor)
    description: 'Function app: the program\'s tables, ledger tables made and dropped'
  }
}

// Owner on the queues that functions serve: receiving, sending (every wake-up goes to one
// of them) and reading the counts, by which the platform decides how many instances run.
// Receiver and Sender would do for the program; but then instances follow the backlog by
// guesswork. The role lets the app change these three queues too; not the others, and not
// the namespace.
resource serve 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (name, i) in served: {
  name: guid(servedQueue[i].id, principalId, roleIds.serviceBusDataOwner)
  scope: servedQueue[i]
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.serviceBusDataOwner)
    description: 'Function app: trigger, wake-ups, counts for scaling (${name})'
  }
}]

// What cannot be understood is laid down here ...
resource park 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (name, i) in parked: {
  name: guid(parkedQueue[i].id, principalId, roleIds.serviceBusDataSender)
  scope: parkedQueue[i]
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.serviceBusDataSender)
    description: 'Function app: lays rejected messages down (${name})'
  }
}]

// ... and listed and taken up again when the operator says so.
resource redrive 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (name, i) in parked: {
  name: guid(parkedQueue[i].id, principalId, roleIds.serviceBusDataReceiver)
  scope: parkedQueue[i]
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.serviceBusDataReceiver)
    description: 'Function app: lists and redrives rejected messages (${name})'
  }
}]

// Results, changes and alerts go out here; the app never reads them.
resource publish 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (name, i) in published: {
  name: guid(publishedTopic[i].id, principalId, roleIds.serviceBusDataSender)
  scope: publishedTopic[i]
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.serviceBusDataSender)
    description: 'Function app: publishes (${name})'
  }
}]

// On the vault, because an assignment to one secret needs the secret to be there, and the
// secrets are made after the deployment. The vault holds nothing else.
resource secrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, principalId, roleIds.keyVaultSecretsUser)
  scope: vault
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.keyVaultSecretsUser)
    description: 'Function app: references to Key Vault in its settings'
  }
}

// The component takes no instrumentation keys: telemetry is sent with this role.
resource telemetry 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(component.id, principalId, roleIds.metricsPublisher)
  scope: component
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.metricsPublisher)
    description: 'Function app: telemetry'
  }
}
