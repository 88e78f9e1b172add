// Service Bus: the namespace, and every queue, topic and subscription of resources.json
// with exactly the properties that stand there. The same list makes the local broker, so
// that tests run against what is deployed.
//
// requiresSession, requiresDuplicateDetection and enablePartitioning are fixed when an
// entity is made: changing one in the list means deleting the entity first.

@minLength(6)
@maxLength(50)
param name string
param location string
param tags object

@description('Standard is enough. Premium costs some fifty times as much, and is the only one with private endpoints.')
@allowed(['Standard', 'Premium'])
param sku string

@description('True closes the namespace to the public network. Only with Premium.')
param privateOnly bool
param workspaceId string

var resources = loadJsonContent('../resources.json')

resource namespace 'Microsoft.ServiceBus/namespaces@2024-01-01' = {
  name: name
  location: location
  tags: tags
  sku: {
    name: sku
    tier: sku
    capacity: sku == 'Premium' ? 1 : null
  }
  properties: {
    disableLocalAuth: true
    minimumTlsVersion: '1.2'
    publicNetworkAccess: privateOnly ? 'Disabled' : 'Enabled'
  }
}

// Subscriptions, each with the place of its topic in the list.
var subscriptions = flatten(map(resources.topics, (t, i) => map(t.subscriptions, s => {
  topic: i
  name: s.name
  properties: s.properties
  rules: any(s).?rules ?? []
})))

// Rules, each with the place of its subscription. Azure gives every subscription a rule
// $Default that takes everything; beside rules of our own it must take nothing. It is
// always written, so that it takes everything again when the others leave the list.
var rules = flatten(map(subscriptions, (s, i) => map(
  concat(s.rules, [
    {
      name: '$Default'
      properties: { filterType: 'SqlFilter', sqlFilter: { sqlExpression: empty(s.rules) ? '1=1' : '1=0' } }
    }
  ]),
  rule => { subscription: i, name: rule.name, properties: rule.properties }
)))

// One after the other: the service refuses changes of a namespace that it is still at.
@batchSize(1)
resource queues 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' = [for queue in resources.queues: {
  parent: namespace
  name: queue.name
  properties: queue.properties
}]

@batchSize(1)
resource topics 'Microsoft.ServiceBus/namespaces/topics@2024-01-01' = [for topic in resources.topics: {
  parent: namespace
  name: topic.name
  properties: topic.properties
}]

@batchSize(1)
resource topicSubscriptions 'Microsoft.ServiceBus/namespaces/topics/subscriptions@2024-01-01' = [for s in subscriptions: {
  parent: topics[s.topic]
  name: s.name
  properties: s.properties
}]

@batchSize(1)
resource subscriptionRules 'Microsoft.ServiceBus/namespaces/topics/subscriptions/rules@2024-01-01' = [for rule in rules: {
  parent: topicSubscriptions[rule.subscription]
  name: rule.name
  properties: rule.properties
}]

// OperationalLogs: who changed which entity. The other two exist with Premium only.
var categories = sku == 'Premium'
  ? ['OperationalLogs', 'VNetAndIPFilteringLogs', 'RuntimeAuditLogs']
  : ['OperationalLogs']

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: namespace
  properties: {
    workspaceId: workspaceId
    logs: [for category in categories: { category: category, enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

output id string = namespace.id
output name string = namespace.name

// serviceBusEndpoint is https://<name>.<suffix of this cloud>:443/
output host string = split(replace(namespace.properties.serviceBusEndpoint, 'https://', ''), ':')[0]
