// The one identity that the app is: towards storage, Service Bus, Key Vault, Application
// Insights, and, through a federated credential, as the Entra app itself.
//
// It is user-assigned because roles must be in place before the app starts for the first
// time: a system-assigned identity exists only once the app does.

@minLength(3)
@maxLength(128)
param name string
param location string
param tags object

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: name
  location: location
  tags: tags
}

output id string = identity.id
output name string = identity.name
output clientId string = identity.properties.clientId
output principalId string = identity.properties.principalId
