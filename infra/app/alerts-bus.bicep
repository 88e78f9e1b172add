// Alerts on Service Bus, from its own metrics. What each means and what to do stands in
// docs/operate.md, by these names.

param namespaceName string
param actionGroupId string
param tags object

@description('Queues that functions serve.')
param served string[]

@description('Queues of what could not be understood.')
param parked string[]

@description('Messages that may lie in a served queue all the time without anybody being told. A busy installation always has some.')
@minValue(0)
@maxValue(100000)
param waitingMessages int

var resources = loadJsonContent('../resources.json')

// Every entity that fills up, with its own size.
var entities = concat(
  map(resources.queues, q => { name: q.name, megabytes: q.properties.maxSizeInMegabytes }),
  map(resources.topics, t => { name: t.name, megabytes: t.properties.maxSizeInMegabytes })
)
var mebibyte = 1048576
var fullPercent = 70

resource namespace 'Microsoft.ServiceBus/namespaces@2024-01-01' existing = {
  name: namespaceName
}

// A message that failed twenty times, or lay for fourteen days. Functions take dead letters
// off and send them back to work, so that this alert mostly ends by itself; that it was
// there at all means that something was down or is wrong.
resource deadLetters 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'calbridge-dead-letters'
  location: 'global'
  tags: tags
  properties: {
    description: 'Messages among the dead letters of a queue or subscription.'
    severity: 1
    enabled: true
    autoMitigate: true
    scopes: [namespace.id]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT5M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'dead'
          metricName: 'DeadletteredMessages'
          metricNamespace: 'Microsoft.ServiceBus/namespaces'
          // each queue and topic by itself
          dimensions: [{ name: 'EntityName', operator: 'Include', values: ['*'] }]
          timeAggregation: 'Maximum'
          operator: 'GreaterThan'
          threshold: 0
        }
      ]
    }
    actions: [{ actionGroupId: actionGroupId }]
  }
}

// The bus has no metric of a message's age. A queue that was never emptied for half an hour
// is the nearest thing from outside, and the only sign when nothing is served at all; the
// real age of what is served comes from the log (calbridge-late, alerts-log.bicep).
resource waiting 'Microsoft.Insights/metricAlerts@2018-03-01' = [for queue in served: {
  name: 'calbridge-waiting-${queue}'
  location: 'global'
  tags: tags
  properties: {
    description: 'At no moment of half an hour were there fewer messages in ${queue}: nobody serves it, or not fast enough.'
    severity: 1
    enabled: true
    autoMitigate: true
    scopes: [namespace.id]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT30M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'waiting'
          // without scheduled messages, which wait on purpose
          metricName: 'ActiveMessages'
          metricNamespace: 'Microsoft.ServiceBus/namespaces'
          dimensions: [{ name: 'EntityName', operator: 'Include', values: [queue] }]
          timeAggregation: 'Minimum'
          operator: 'GreaterThan'
          threshold: waitingMessages
        }
      ]
    }
    actions: [{ actionGroupId: actionGroupId }]
  }
}]

// A full topic stops all results, and with them the work (write-path.md, Publishing); a
// full queue refuses bookings. Mostly a booking app no longer reads its subscription.
resource nearlyFull 'Microsoft.Insights/metricAlerts@2018-03-01' = [for entity in entities: {
  name: 'calbridge-nearly-full-${entity.name}'
  location: 'global'
  tags: tags
  properties: {
    description: '${entity.name} is filled to ${fullPercent} % of its ${entity.megabytes} MB.'
    severity: 1
    enabled: true
    autoMitigate: true
    scopes: [namespace.id]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'size'
          metricName: 'Size' // bytes
          metricNamespace: 'Microsoft.ServiceBus/namespaces'
          dimensions: [{ name: 'EntityName', operator: 'Include', values: [entity.name] }]
          timeAggregation: 'Maximum'
          operator: 'GreaterThan'
          threshold: entity.megabytes * mebibyte * fullPercent / 100
        }
      ]
    }
    actions: [{ actionGroupId: actionGroupId }]
  }
}]

// Nobody serves these queues but the operator, who redrives.
resource rejected 'Microsoft.Insights/metricAlerts@2018-03-01' = [for queue in parked: {
  name: 'calbridge-rejected-${queue}'
  location: 'global'
  tags: tags
  properties: {
    description: 'Messages that could not be understood lie in ${queue}.'
    severity: 3
    enabled: true
    autoMitigate: true
    scopes: [namespace.id]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'rejected'
          metricName: 'ActiveMessages'
          metricNamespace: 'Microsoft.ServiceBus/namespaces'
          dimensions: [{ name: 'EntityName', operator: 'Include', values: [queue] }]
          timeAggregation: 'Maximum'
          operator: 'GreaterThan'
          threshold: 0
        }
      ]
    }
    actions: [{ actionGroupId: actionGroupId }]
  }
}]
