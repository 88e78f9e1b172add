// A network of the app's own: one subnet that its instances send from, one for private
// endpoints, and the private DNS zones that lead names to those.
//
// Nothing comes in through it: the app stays reachable from the internet, because people's
// browsers, Microsoft Graph's notifications and booking apps call it.

param name string
param securityGroupName string
param natName string
param publicAddressName string
param location string
param tags object

@description('The range of the network, a /24.')
param addressSpace string

@description('True gives all outgoing calls one fixed address. Tenants whose Conditional Access goes by location can then let it in; it costs per hour and GB.')
param fixedOutgoingAddress bool

@description('Names of the private DNS zones to make.')
param zones string[]

resource security 'Microsoft.Network/networkSecurityGroups@2024-05-01' = {
  name: securityGroupName
  location: location
  tags: tags
  properties: {
    securityRules: [
      {
        name: 'DenyFromInternet'
        properties: {
          access: 'Deny'
          direction: 'Inbound'
          priority: 4000
          protocol: '*'
          sourceAddressPrefix: 'Internet'
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '*'
        }
      }
    ]
  }
}

resource address 'Microsoft.Network/publicIPAddresses@2024-05-01' = if (fixedOutgoingAddress) {
  name: publicAddressName
  location: location
  tags: tags
  sku: { name: 'Standard' }
  properties: { publicIPAllocationMethod: 'Static' }
}

resource nat 'Microsoft.Network/natGateways@2024-05-01' = if (fixedOutgoingAddress) {
  name: natName
  location: location
  tags: tags
  sku: { name: 'Standard' }
  properties: { publicIpAddresses: [{ id: address.id }] }
}

resource network 'Microsoft.Network/virtualNetworks@2024-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: [addressSpace] }
    subnets: [
      {
        name: 'app'
        properties: {
          // half of the range: instances of 20 scaling groups take addresses
          addressPrefix: cidrSubnet(addressSpace, 25, 0)
          networkSecurityGroup: { id: security.id }
          natGateway: fixedOutgoingAddress ? { id: nat.id } : null
          // Flex Consumption wants this delegation, not the one of other plans.
          delegations: [{ name: 'flex', properties: { serviceName: 'Microsoft.App/environments' } }]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: cidrSubnet(addressSpace, 26, 2)
          networkSecurityGroup: { id: security.id }
          privateEndpointNetworkPolicies: 'Enabled'
        }
      }
    ]
  }

  resource app 'subnets' existing = { name: 'app' }
  resource endpoints 'subnets' existing = { name: 'endpoints' }
}

resource zone 'Microsoft.Network/privateDnsZones@2020-06-01' = [for zoneName in zones: {
  name: zoneName
  location: 'global'
  tags: tags
}]

resource link 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2020-06-01' = [for (zoneName, i) in zones: {
  parent: zone[i]
  name: 'to-network'
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: { id: network.id }
  }
}]

output appSubnetId string = network::app.id
output endpointSubnetId string = network::endpoints.id
output outgoingAddress string = fixedOutgoingAddress ? address!.properties.ipAddress : ''
