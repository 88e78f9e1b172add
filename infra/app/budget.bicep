// What this resource group may cost a month before somebody is told. It stops nothing.

param name string

@description('In the currency that the subscription is billed in.')
@minValue(1)
param amount int

@description('First day of the month in which the budget was made, as 2026-11-01. Azure refuses another one for a budget that is there: it must stay the same for ever.')
@minLength(10)
@maxLength(10)
param start string

param emails string[]
param actionGroupId string

resource budget 'Microsoft.Consumption/budgets@2023-11-01' = {
  name: name
  properties: {
    category: 'Cost'
    amount: amount
    timeGrain: 'Monthly'
    timePeriod: { startDate: start }
    notifications: {
      spent80: {
        enabled: true
        operator: 'GreaterThanOrEqualTo'
        threshold: 80
        thresholdType: 'Actual'
        contactEmails: emails
        contactGroups: [actionGroupId]
      }
      willSpend100: {
        enabled: true
        operator: 'GreaterThanOrEqualTo'
        threshold: 100
        thresholdType: 'Forecasted'
        contactEmails: emails
        contactGroups: [actionGroupId]
      }
    }
  }
}

output start string = start
