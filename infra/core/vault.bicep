// The vault of the two keys that the app cannot do without: token-keyset seals people's
// tokens, link-keys sign links and sessions. Their values never pass through a template:
// a template's parameters and outputs stay readable in the deployment's history. The hook
// after provisioning fills the vault.
//
// Purge protection cannot be switched off again, and that is the point: without
// token-keyset every connection of every person is lost.

@minLength(3)
@maxLength(24)
param name string
param location string
param tags object

@description('Days for which a deleted vault or secret can be had back. Fixed when the vault is made.')
@minValue(7)
@maxValue(90)
param softDeleteDays int = 90

@description('True closes the vault to all but the private endpoint and the addresses below.')
param privateOnly bool

@description('Addresses or CIDR ranges from which people and pipelines still reach a closed vault, to fill and rotate secrets.')
param allowedAddresses string[] = []
param workspaceId string

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    enablePurgeProtection: true
    softDeleteRetentionInDays: softDeleteDays
    enabledForDeployment: false
    enabledForDiskEncryption: false
    enabledForTemplateDeployment: false
    publicNetworkAccess: privateOnly && empty(allowedAddresses) ? 'Disabled' : 'Enabled'
    networkAcls: {
      defaultAction: privateOnly ? 'Deny' : 'Allow'
      bypass: 'None'
      ipRules: [for address in allowedAddresses: { value: address }]
    }
  }
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: vault
  properties: {
    workspaceId: workspaceId
    // who read and wrote which secret
    logs: [{ category: 'AuditEvent', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

output id string = vault.id
output name string = vault.name
output uri string = vault.properties.vaultUri
