package servicebus

import (
	"fmt"

	"github.com/Azure/go-amqp"

	"github.com/calbridge/calbridge/infra"
	"github.com/calbridge/calbridge/local/servicebus/rules"
	"github.com/calbridge/calbridge/shared/queue"
)

// SQLFilter is a rule with a SQL filter, as package rules reads it.
func SQLFilter(expression string) (Rule, error) {
	f, err := rules.Parse(expression)
	if err != nil {
		return nil, fmt.Errorf("servicebus.SQLFilter: %w", err)
	}
	return filter{f}, nil
}

// CorrelationFilter is a rule with a correlation filter.
func CorrelationFilter(c rules.Correlation) Rule { return filter{c} }

// filter is a rule that looks at all that AMQP carries, not only at what
// queue.Message has.
type filter struct {
	of interface{ Match(rules.Message) bool }
}

// Match implements Rule for a message without a transport.
func (f filter) Match(m queue.Message) bool { return f.matches(&incoming{Message: m}) }

func (f filter) matches(in *incoming) bool {
	m := rules.Message{ID: in.ID, SessionID: in.SessionID, Subject: in.Subject, ContentType: in.ContentType, Properties: in.Properties}
	if sent, ok := in.payload.(*amqp.Message); ok {
		if p := sent.Properties; p != nil {
			m.CorrelationID, _ = p.CorrelationID.(string)
			m.To, m.ReplyTo, m.ReplyToSessionID = text(p.To), text(p.ReplyTo), text(p.ReplyToGroupID)
		}
		m.PartitionKey, _ = sent.Annotations["x-opt-partition-key"].(string)
	}
	return f.of.Match(m)
}

// fromRules are the rules that the deployment makes.
func fromRules(list []infra.Rule) ([]Rule, error) {
	var out []Rule
	for _, r := range list {
		p := r.Properties
		switch {
		case p.FilterType == infra.SQLFilter && p.SQLFilter != nil:
			rule, err := SQLFilter(p.SQLFilter.Expression)
			if err != nil {
				return nil, fmt.Errorf("rule %s: %w", r.Name, err)
			}
			out = append(out, rule)
		case p.FilterType == infra.CorrelationFilter && p.CorrelationFilter != nil:
			c := p.CorrelationFilter
			out = append(out, CorrelationFilter(rules.Correlation{MessageID: c.MessageID, SessionID: c.SessionID, Label: c.Label,
				ContentType: c.ContentType, CorrelationID: c.CorrelationID, To: c.To, ReplyTo: c.ReplyTo,
				ReplyToSessionID: c.ReplyToSessionID, Properties: c.Properties}))
		default:
			return nil, fmt.Errorf("rule %s: no filter of type %q", r.Name, p.FilterType)
		}
	}
	return out, nil
}
