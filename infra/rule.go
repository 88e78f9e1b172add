package infra

// Rule of a subscription: a message is taken if one of them matches. None is the
// default rule, which matches everything. Names are those of ARM:
// Microsoft.ServiceBus/namespaces/topics/subscriptions/rules.
type Rule struct {
	Name       string         `json:"name"`
	Properties RuleProperties `json:"properties"`
}

// The types of filter.
const (
	SQLFilter         = "SqlFilter"
	CorrelationFilter = "CorrelationFilter"
)

// RuleProperties hold the filter that FilterType names.
type RuleProperties struct {
	FilterType        string       `json:"filterType"`
	SQLFilter         *SQL         `json:"sqlFilter,omitempty"`
	CorrelationFilter *Correlation `json:"correlationFilter,omitempty"`
}

// SQL is a filter like "organization = 'acme'".
type SQL struct {
	Expression string `json:"sqlExpression"`
}

// Correlation is a filter by equality; what is empty is not compared.
type Correlation struct {
	ContentType      string         `json:"contentType,omitempty"`
	CorrelationID    string         `json:"correlationId,omitempty"`
	Label            string         `json:"label,omitempty"`
	MessageID        string         `json:"messageId,omitempty"`
	ReplyTo          string         `json:"replyTo,omitempty"`
	ReplyToSessionID string         `json:"replyToSessionId,omitempty"`
	SessionID        string         `json:"sessionId,omitempty"`
	To               string         `json:"to,omitempty"`
	Properties       map[string]any `json:"properties,omitempty"`
}
