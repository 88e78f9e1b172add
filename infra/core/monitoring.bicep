// Where logs, traces and platform logs go: one workspace, one Application Insights
// component on top of it. Both take Entra tokens only: what is sent with an
// instrumentation key or a workspace key is refused.

@minLength(4)
@maxLength(63)
param workspaceName string
param componentName string
param location string
param tags object

@description('Days for which logs are kept. 31 are in the price of taking them in.')
@minValue(30)
@maxValue(730)
param retentionInDays int

@description('GB a day after which nothing more is taken in until midnight UTC: a bound on costs, and blindness when it is reached (alert calbridge-log-cap).')
@minValue(1)
@maxValue(100)
param dailyCapGb int

resource workspace 'Microsoft.OperationalInsights/workspaces@2023-09-01' = {
  name: workspaceName
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: retentionInDays
    workspaceCapping: { dailyQuotaGb: dailyCapGb }
    features: {
      disableLocalAuth: true
      enableLogAccessUsingOnlyResourcePermissions: true
    }
  }
}

resource component 'Microsoft.Insights/components@2020-02-02' = {
  name: componentName
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    IngestionMode: 'LogAnalytics'
    DisableLocalAuth: true
    // addresses of callers are nobody's business here
    DisableIpMasking: false
  }
}

output workspaceId string = workspace.id
output workspaceName string = workspace.name
output componentId string = component.id
output componentName string = component.name

// No secret: the component refuses whoever has this string and no role.
output connectionString string = component.properties.ConnectionString
