// The app registration: one multi-tenant app for all customers, with exactly the
// permissions of ../registration.json, its two redirect URIs, and the federated
// credential by which the managed identity stands in for a secret.
//
// Skip this module where the tenant does not let the deployment write to Microsoft
// Graph (it needs Application Administrator or the like): ../registration.sh makes the
// same registration, under the same unique name, and its client id is then given as a
// parameter. Identity and registration must be of the same tenant.
//
// uniqueName is the key and cannot change. A registration that was made by hand has
// none: give it one first, or Graph makes a second registration.

extension microsoftGraphV1

import { authority } from '../core/cloud.bicep'

@description('Key of the registration in its tenant. It never changes.')
@minLength(3)
@maxLength(128)
param uniqueName string

@description('What customers\' administrators read on Microsoft\'s consent page.')
@minLength(1)
@maxLength(120)
param displayName string

@description('Outside base URL without /api and without a slash at its end.')
@minLength(8)
param publicUrl string

@description('Principal id of the user-assigned identity that the app signs in with.')
@minLength(36)
@maxLength(36)
param identityPrincipalId string

var registration = loadJsonContent('../registration.json')

// The audience of a managed identity's token, by cloud.
var audiences = {
  AzureCloud: 'api://AzureADTokenExchange'
  AzureUSGovernment: 'api://AzureADTokenExchangeUSGov'
  AzureChinaCloud: 'api://AzureADTokenExchangeChina'
}

resource app 'Microsoft.Graph/applications@v1.0' = {
  uniqueName: uniqueName
  displayName: displayName
  signInAudience: registration.signInAudience
  groupMembershipClaims: registration.groupMembershipClaims
  requiredResourceAccess: registration.requiredResourceAccess
  web: {
    redirectUris: [
      '${publicUrl}/api/consent/callback'
      '${publicUrl}/api/connect/callback'
    ]
  }
}

resource credential 'Microsoft.Graph/applications/federatedIdentityCredentials@v1.0' = {
  name: '${app.uniqueName}/function-app'
  description: 'The managed identity of the function app'
  issuer: '${authority(environment().authentication.loginEndpoint)}/${tenant().tenantId}/v2.0'
  subject: identityPrincipalId
  audiences: [audiences[environment().name]]
}

resource servicePrincipal 'Microsoft.Graph/servicePrincipals@v1.0' = {
  appId: app.appId
}

@description('Client id of the app: the setting ENTRA_CLIENT_ID.')
output clientId string = app.appId
