// Private endpoints: for each service an address in the network, and its name in the zone.

param location string
param tags object
param subnetId string

@description('name: of the endpoint; id: of the service; group: the part of it that is reached (blob, table, vault, namespace); zone: the private DNS zone, in this resource group.')
param services { name: string, id: string, group: string, zone: string }[]

resource zone 'Microsoft.Network/privateDnsZones@2020-06-01' existing = [for service in services: {
  name: service.zone
}]

// One after the other: two are of one storage account, and all of one subnet, and neither
// takes a change while it is still at another.
@batchSize(1)
resource endpoint 'Microsoft.Network/privateEndpoints@2024-05-01' = [for service in services: {
  name: service.name
  location: location
  tags: tags
  properties: {
    subnet: { id: subnetId }
    privateLinkServiceConnections: [
      {
        name: service.group
        properties: {
          privateLinkServiceId: service.id
          groupIds: [service.group]
        }
      }
    ]
  }
}]

resource dns 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-05-01' = [for (service, i) in services: {
  parent: endpoint[i]
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [{ name: service.group, properties: { privateDnsZoneId: zone[i].id } }]
  }
}]
