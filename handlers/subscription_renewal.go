package handlers

import "context"

// Renewer looks after the subscriptions at Graph.
type Renewer interface {
	// Renewals orders a look at every subscription that is due. An error means that not
	// all were ordered; the next run orders them again.
	Renewals(ctx context.Context) error
}

// subscriptionRenewal is the function SubscriptionRenewal, a timer, hourly.
func subscriptionRenewal(r Renewer) func(context.Context, Invocation) error {
	return func(ctx context.Context, _ Invocation) error { return r.Renewals(ctx) }
}
