package queue

import "context"

// TraceProperty is the application property that carries a trace from the
// request or message that caused a message (W3C Trace Context, traceparent).
const TraceProperty = "traceparent"

type traceKey struct{}

// WithTrace returns a context whose work belongs to a trace. An empty one changes
// nothing.
func WithTrace(ctx context.Context, traceparent string) context.Context {
	if traceparent == "" {
		return ctx
	}
	return context.WithValue(ctx, traceKey{}, traceparent)
}

// Trace returns the traceparent of ctx, "" when there is none.
func Trace(ctx context.Context) string {
	t, _ := ctx.Value(traceKey{}).(string)
	return t
}

// Traced returns the context of the work that m asks for: the trace that m
// carries, else that of ctx.
func (m Message) Traced(ctx context.Context) context.Context {
	t, _ := m.Properties[TraceProperty].(string)
	return WithTrace(ctx, t)
}
