// Package infra holds the one list of what Calbridge needs around it: queues, the
// topic with its subscription, tables, and app settings.
//
// The list is resources.json. Its readers share it, so that they cannot drift
// apart: the Bicep deployment (loadJsonContent, which is why the names are those of
// ARM: Microsoft.ServiceBus/namespaces/queues, .../topics,
// .../topics/subscriptions), the local broker, and the tests here, which hold the
// code, functions/, host.json, local.settings.sample.json, the Bicep files and
// docs/operate.md against it. The values are those of write-path.md section 1, the
// settings those of design.md and of functions/contract.md 8.3.
//
// The ledger's tables have only their prefix here: ledger<yyyymm> is made when the
// first row of a month is written, and dropped whole when old.
package infra

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
)

//go:embed resources.json
var resources []byte

// Resources is the whole list.
type Resources struct {
	Queues []Queue  `json:"queues"`
	Topics []Topic  `json:"topics"`
	Tables []string `json:"tables"`
	// Ledger begins the names of the ledger's tables, one a month.
	Ledger   string    `json:"ledger"`
	Settings []Setting `json:"settings"`
}

// Queue is a queue and the properties it is created with.
type Queue struct {
	Name       string     `json:"name"`
	Properties Properties `json:"properties"`
}

// Topic is a topic; its properties have no lock, no delivery count, no session.
type Topic struct {
	Name          string         `json:"name"`
	Properties    Properties     `json:"properties"`
	Subscriptions []Subscription `json:"subscriptions"`
}

// Subscription receives the messages of its topic that its rules let through.
type Subscription struct {
	Name       string     `json:"name"`
	Properties Properties `json:"properties"`
	Rules      []Rule     `json:"rules,omitempty"`
}

// Properties are ARM's, of queue, topic or subscription; absent ones are zero.
type Properties struct {
	// LockDuration is how long a receiver holds a message or session before it
	// must renew; at most PT5M.
	LockDuration Duration `json:"lockDuration"`
	// MaxDeliveryCount is the number of failed tries after which a message is
	// moved to the dead-letter queue.
	MaxDeliveryCount int `json:"maxDeliveryCount"`
	// RequiresSession, RequiresDuplicateDetection and EnablePartitioning are fixed
	// when the entity is created.
	RequiresSession                     bool     `json:"requiresSession"`
	RequiresDuplicateDetection          bool     `json:"requiresDuplicateDetection"`
	EnablePartitioning                  bool     `json:"enablePartitioning"`
	DuplicateDetectionHistoryTimeWindow Duration `json:"duplicateDetectionHistoryTimeWindow"`
	// DefaultMessageTimeToLive also caps what a message asks for itself.
	DefaultMessageTimeToLive         Duration `json:"defaultMessageTimeToLive"`
	DeadLetteringOnMessageExpiration bool     `json:"deadLetteringOnMessageExpiration"`
	MaxSizeInMegabytes               int      `json:"maxSizeInMegabytes"`
}

// Load returns the list. It fails only when the embedded file is malformed or
// has a member that Properties does not know, which the package's test excludes.
func Load() (Resources, error) {
	var r Resources
	d := json.NewDecoder(bytes.NewReader(resources))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return Resources{}, fmt.Errorf("infra.Load: %w", err)
	}
	return r, nil
}
