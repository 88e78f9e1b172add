// Alerts from the log, each a query of its own in ../queries. What each means and what to
// do stands in docs/operate.md, by these names.
//
// Queries run over the component, so that they see the tables by the names that
// Application Insights shows.

param componentId string
param workspaceId string
param actionGroupId string
param location string
param tags object

@description('Failed invocations of one function in 15 minutes above which somebody is told.')
@minValue(0)
@maxValue(100000)
param failures int

@description('Error lines in 15 minutes above which somebody is told.')
@minValue(0)
@maxValue(100000)
param errors int

@description('Seconds that a message may have waited before somebody is told. Shorter waits than 300 are not logged.')
@minValue(300)
@maxValue(86400)
param lateSeconds int

var once = { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }

resource failed 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: 'calbridge-failed'
  location: location
  tags: tags
  properties: {
    displayName: 'calbridge-failed'
    description: 'A function failed more than ${failures} times in 15 minutes.'
    severity: 2
    enabled: true
    autoMitigate: true
    scopes: [componentId]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT15M'
    // before the first telemetry arrives the tables are not there
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: loadTextContent('../queries/failed.kql')
          timeAggregation: 'Total'
          metricMeasureColumn: 'failures'
          dimensions: [{ name: 'operation_Name', operator: 'Include', values: ['*'] }]
          operator: 'GreaterThan'
          threshold: failures
          failingPeriods: once
        }
      ]
    }
    actions: { actionGroups: [actionGroupId] }
  }
}

resource errorLines 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: 'calbridge-errors'
  location: location
  tags: tags
  properties: {
    displayName: 'calbridge-errors'
    description: 'The program or its host logged more than ${errors} errors in 15 minutes.'
    severity: 2
    enabled: true
    autoMitigate: true
    scopes: [componentId]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT15M'
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: loadTextContent('../queries/errors.kql')
          timeAggregation: 'Total'
          metricMeasureColumn: 'errors'
          operator: 'GreaterThan'
          threshold: errors
          failingPeriods: once
        }
      ]
    }
    actions: { actionGroups: [actionGroupId] }
  }
}

resource late 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: 'calbridge-late'
  location: location
  tags: tags
  properties: {
    displayName: 'calbridge-late'
    description: 'Messages were served that had waited for more than ${lateSeconds} seconds.'
    severity: 2
    enabled: true
    autoMitigate: true
    scopes: [componentId]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT15M'
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: loadTextContent('../queries/late.kql')
          timeAggregation: 'Maximum'
          metricMeasureColumn: 'seconds'
          dimensions: [{ name: 'function', operator: 'Include', values: ['*'] }]
          operator: 'GreaterThan'
          threshold: lateSeconds
          failingPeriods: once
        }
      ]
    }
    actions: { actionGroups: [actionGroupId] }
  }
}

// The one alert that tells of silence. It also fires between the first deployment of the
// infrastructure and that of the program.
resource timers 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: 'calbridge-timers'
  location: location
  tags: tags
  properties: {
    displayName: 'calbridge-timers'
    description: 'No hourly timer ran for three hours.'
    severity: 1
    enabled: true
    autoMitigate: true
    scopes: [componentId]
    evaluationFrequency: 'PT1H'
    windowSize: 'PT3H'
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: loadTextContent('../queries/timers.kql')
          timeAggregation: 'Count'
          operator: 'LessThan'
          threshold: 1
          failingPeriods: once
        }
      ]
    }
    actions: { actionGroups: [actionGroupId] }
  }
}

resource logCap 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: 'calbridge-log-cap'
  location: location
  tags: tags
  properties: {
    displayName: 'calbridge-log-cap'
    description: 'The workspace reached its daily cap: until midnight UTC nothing is logged, and the alerts from the log see nothing.'
    severity: 2
    enabled: true
    autoMitigate: true
    scopes: [workspaceId]
    evaluationFrequency: 'PT1H'
    windowSize: 'PT1H'
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: loadTextContent('../queries/log-cap.kql')
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: once
        }
      ]
    }
    actions: { actionGroups: [actionGroupId] }
  }
}
