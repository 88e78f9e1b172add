// What others than the app may do: whoever deploys, and the booking apps, which have no
// connection string because the bus takes none.

import { roleIds } from '../core/roles.bicep'

param tablesStorageName string
param namespaceName string
param vaultName string

@description('Who deploys; empty: nobody gets a role here.')
param deployerId string

@description('What deployerId is; empty: Azure looks it up.')
@allowed(['', 'User', 'Group', 'ServicePrincipal'])
param deployerType string

@description('True gives the deploying person the app\'s own data, to run the program on their machine against it.')
param deployerRunsLocally bool

@description('All queues.')
param queues string[]

@description('The topic of results, and its subscription that booking apps read.')
param changes { topic: string, subscription: string }

@description('Object ids of the booking apps\' identities that send bookings.')
param bookingSenders string[]

@description('The queue of bookings.')
param bookingsQueue string

@description('Object ids of the booking apps\' identities that read results.')
param changeReceivers string[]

resource tablesStorage 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: tablesStorageName
}

resource namespace 'Microsoft.ServiceBus/namespaces@2024-01-01' existing = {
  name: namespaceName

  resource bookings 'queues' existing = { name: bookingsQueue }

  resource topic 'topics' existing = {
    name: changes.topic

    resource all 'subscriptions' existing = { name: changes.subscription }
  }
}

resource queue 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' existing = [for name in queues: {
  parent: namespace
  name: name
}]

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' existing = {
  name: vaultName
}

// The hook after provisioning makes the keys that are not there yet, and rotation adds to
// them. Officer, because it writes; nobody else can.
resource fillVault 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(deployerId)) {
  name: guid(vault.id, deployerId, roleIds.keyVaultSecretsOfficer)
  scope: vault
  properties: {
    principalId: deployerId
    principalType: empty(deployerType) ? null : deployerType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.keyVaultSecretsOfficer)
    description: 'Whoever deploys: makes and rotates the keys'
  }
}

resource localTables 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(deployerId) && deployerRunsLocally) {
  name: guid(tablesStorage.id, deployerId, roleIds.tableDataContributor)
  scope: tablesStorage
  properties: {
    principalId: deployerId
    principalType: empty(deployerType) ? null : deployerType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.tableDataContributor)
    description: 'Whoever deploys: the program\'s tables, for local runs'
  }
}

resource localQueues 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (name, i) in queues: if (!empty(deployerId) && deployerRunsLocally) {
  name: guid(queue[i].id, deployerId, roleIds.serviceBusDataOwner)
  scope: queue[i]
  properties: {
    principalId: deployerId
    principalType: empty(deployerType) ? null : deployerType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.serviceBusDataOwner)
    description: 'Whoever deploys: queue ${name}, for local runs'
  }
}]

resource localTopic 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(deployerId) && deployerRunsLocally) {
  name: guid(namespace::topic.id, deployerId, roleIds.serviceBusDataOwner)
  scope: namespace::topic
  properties: {
    principalId: deployerId
    principalType: empty(deployerType) ? null : deployerType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.serviceBusDataOwner)
    description: 'Whoever deploys: results, for local runs'
  }
}

// A booking app sends bookings, and can read nothing, not even what it sent.
resource send 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for id in bookingSenders: {
  name: guid(namespace::bookings.id, id, roleIds.serviceBusDataSender)
  scope: namespace::bookings
  properties: {
    principalId: id
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.serviceBusDataSender)
    description: 'Booking app: sends bookings'
  }
}]

// It reads results from the subscription, and sends none.
resource receive 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for id in changeReceivers: {
  name: guid(namespace::topic::all.id, id, roleIds.serviceBusDataReceiver)
  scope: namespace::topic::all
  properties: {
    principalId: id
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.serviceBusDataReceiver)
    description: 'Booking app: reads results'
  }
}]
