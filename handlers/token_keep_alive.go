package handlers

import "context"

// tokenKeepAlive is the function TokenKeepAlive, a timer, hourly.
func tokenKeepAlive(t Tasker) func(context.Context, Invocation) error {
	return func(ctx context.Context, _ Invocation) error { return t.KeepAlive(ctx) }
}
