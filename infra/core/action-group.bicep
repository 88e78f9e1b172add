// Who is told of alerts.

param name string
param tags object

@description('E-mail addresses. None: alerts are seen in the portal only.')
param emails string[]

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: name
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'calbridge'
    enabled: true
    emailReceivers: [for (email, i) in emails: {
      name: 'operator-${i + 1}'
      emailAddress: email
      useCommonAlertSchema: true
    }]
  }
}

output id string = people.id
