// The app settings, all of them, from the one list in resources.json: a setting that
// stands here and not there, or the other way round, cannot be.
//
// They are a deployment of their own because some are known only when the app is there
// (its host name) or when the registration is (its client id).

param appName string

@description('The values that the list refers to by name.')
param values { *: string }

@description('Ends with a slash.')
param vaultUri string

@description('How the app proves to Entra who it is.')
@allowed(['identity', 'certificate', 'secret'])
param entraCredential string

var settings = loadJsonContent('../resources.json').settings

// "none" is for other places than Azure, and "host" is set by the Functions host itself.
var used = filter(settings, s => contains(['literal', 'value', 'keyVault'], s.azure.from) && contains(['', entraCredential], s.azure.when))

// A reference without a version follows the secret: a rotated key arrives within a day,
// or at the next change of settings.
func secretReference(vaultUri string, secret string) string => '@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/${secret})'

resource app 'Microsoft.Web/sites@2024-04-01' existing = {
  name: appName

  resource all 'config' = {
    name: 'appsettings'
    properties: toObject(used, s => s.name, s => s.azure.from == 'literal'
      ? s.azure.value
      : s.azure.from == 'keyVault' ? secretReference(vaultUri, s.azure.value) : values[s.azure.value])
  }
}
