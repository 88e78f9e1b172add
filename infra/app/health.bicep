// Asks Health from outside, from several places. It answers 503 when tables, bus or Graph
// are gone, and nothing at all when the app is.

param name string
param location string
param tags object
param componentId string
param actionGroupId string

@description('The outside base URL, without /api.')
param publicUrl string

@description('Seconds between two calls from one place. Each call is paid for.')
@minValue(300)
@maxValue(900)
param seconds int

@description('Names of the places that Application Insights tests from.')
@minLength(1)
param locations string[]

resource test 'Microsoft.Insights/webtests@2022-06-15' = {
  name: name
  location: location
  // the portal finds the test's component by this tag
  tags: union(tags, { 'hidden-link:${componentId}': 'Resource' })
  kind: 'standard'
  properties: {
    SyntheticMonitorId: name
    Name: name
    Enabled: true
    Frequency: seconds
    Timeout: 30
    Kind: 'standard'
    RetryEnabled: true
    Locations: [for place in locations: { Id: place }]
    Request: {
      RequestUrl: '${publicUrl}/api/health'
      HttpVerb: 'GET'
      ParseDependentRequests: false
      FollowRedirects: false
    }
    ValidationRules: {
      ExpectedHttpStatusCode: 200
      SSLCheck: true
      SSLCertRemainingLifetimeCheck: 14
    }
  }
}

resource alert 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'calbridge-health'
  location: 'global'
  tags: tags
  properties: {
    description: 'Health does not answer 200 to two places or more (one where there is only one), or the certificate of ${publicUrl} ends within 14 days.'
    severity: 0
    enabled: true
    autoMitigate: true
    scopes: [test.id, componentId]
    evaluationFrequency: 'PT5M'
    // Every place must have asked at least once in it.
    windowSize: seconds == 300 ? 'PT5M' : seconds == 600 ? 'PT15M' : 'PT30M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.WebtestLocationAvailabilityCriteria'
      webTestId: test.id
      componentId: componentId
      failedLocationCount: min(2, length(locations))
    }
    actions: [{ actionGroupId: actionGroupId }]
  }
}
