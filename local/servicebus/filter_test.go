package servicebus_test

import (
	"slices"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"github.com/calbridge/calbridge/infra"
	"github.com/calbridge/calbridge/local/servicebus"
	"github.com/calbridge/calbridge/local/servicebus/rules"
	"github.com/calbridge/calbridge/shared/queue"
)

func sql(t *testing.T, expression string) servicebus.Rule {
	t.Helper()
	r, err := servicebus.SQLFilter(expression)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A message is copied once to a subscription of which one rule or more match
// ("Topic filters and actions": each message is delivered once per subscription,
// rules without actions being combined with OR).
func TestSubscriptionsTakeWhatTheirRulesLetThrough(t *testing.T) {
	b := start(t, func(o *servicebus.Options) {
		o.Topology.Topics[0].Subscriptions = []servicebus.Subscription{
			{Name: "acme", Rules: []servicebus.Rule{sql(t, "organization = 'acme' AND type IN ('a','b')")}},
			{Name: "either", Rules: []servicebus.Rule{sql(t, "organization = 'acme'"), sql(t, "sys.Label = 'hello'")}},
			{Name: "correlated", Rules: []servicebus.Rule{servicebus.CorrelationFilter(rules.Correlation{CorrelationID: "c-1", Properties: map[string]any{"organization": "acme"}})}},
			{Name: "none", Rules: []servicebus.Rule{sql(t, "1=0")}},
		}
	})
	sender, err := b.client.NewSender("topic", nil)
	if err != nil {
		t.Fatal(err)
	}
	send := func(id, subject, correlation string, properties map[string]any) {
		m := &azservicebus.Message{MessageID: &id, Subject: &subject, CorrelationID: &correlation, ApplicationProperties: properties}
		if err := sender.SendMessage(soon(t), m, nil); err != nil {
			t.Fatal(err)
		}
	}
	send("1", "x", "c-1", map[string]any{"organization": "acme", "type": "a", "number": int32(3)})
	send("2", "hello", "c-2", map[string]any{"organization": "acme", "type": "c"})
	send("3", "hello", "c-1", nil)
	b.put(t, "topic", queue.Message{ID: "4", Subject: "x", Properties: map[string]any{"organization": "acme", "type": "b"}})
	for name, want := range map[string][]string{"acme": {"1", "4"}, "either": {"1", "2", "3", "4"}, "correlated": {"1"}, "none": nil} {
		var got []string
		for _, m := range b.Peek(servicebus.Subscriptions("topic", name)) {
			got = append(got, m.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s has %v, want %v", name, got, want)
		}
	}
	if _, err := servicebus.SQLFilter("organization ="); err == nil {
		t.Error("half a filter was taken")
	}
}

func TestTheDeploymentsRulesAreTheBrokers(t *testing.T) {
	rule := func(p infra.RuleProperties) []infra.Rule { return []infra.Rule{{Name: "r", Properties: p}} }
	topology := servicebus.FromResources(infra.Resources{Topics: []infra.Topic{{Name: "changes", Subscriptions: []infra.Subscription{
		{Name: "sql", Rules: rule(infra.RuleProperties{FilterType: infra.SQLFilter, SQLFilter: &infra.SQL{Expression: "organization = 'acme'"}})},
		{Name: "correlation", Rules: rule(infra.RuleProperties{FilterType: infra.CorrelationFilter, CorrelationFilter: &infra.Correlation{Label: "b"}})},
		{Name: "all"},
	}}}})
	b := servicebus.New(servicebus.Options{Topology: topology})
	for _, m := range []queue.Message{{ID: "1", Subject: "a", Properties: map[string]any{"organization": "acme"}}, {ID: "2", Subject: "b"}} {
		if err := b.Sender().Send(t.Context(), "changes", m); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]int{"sql": 1, "correlation": 1, "all": 2} {
		if got := len(b.Peek(servicebus.Subscriptions("changes", name))); got != want {
			t.Errorf("%s has %d messages, want %d", name, got, want)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a rule without a filter was taken")
		}
	}()
	servicebus.FromResources(infra.Resources{Topics: []infra.Topic{{Name: "x", Subscriptions: []infra.Subscription{{Name: "y", Rules: rule(infra.RuleProperties{FilterType: "Odd"})}}}}})
}
