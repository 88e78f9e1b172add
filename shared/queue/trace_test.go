package queue_test

import (
	"testing"

	"github.com/calbridge/calbridge/shared/queue"
)

func TestTheTraceOfAMessageComesBeforeThatOfItsInvocation(t *testing.T) {
	ctx := queue.WithTrace(t.Context(), "00-host")
	m := queue.Message{Properties: map[string]any{queue.TraceProperty: "00-sender"}}
	if got := queue.Trace(m.Traced(ctx)); got != "00-sender" {
		t.Errorf("with a property: %q", got)
	}
	if got := queue.Trace(queue.Message{}.Traced(ctx)); got != "00-host" {
		t.Errorf("without: %q", got)
	}
	if got := queue.Trace(t.Context()); got != "" {
		t.Errorf("no trace: %q", got)
	}
}
