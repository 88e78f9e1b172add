package subscribe

import (
	"encoding/json"
	"strings"
)

// Bounds of what a call of Graph's may hold. Notifications carry no resource data, so
// that one is some 600 bytes (contract 6.4).
const (
	// MaxBody is how long a body may be, in bytes.
	MaxBody = 1 << 20
	// maxNotifications is how many of a body are looked at.
	maxNotifications = 2000
	maxID            = 64 // characters of a subscription's id, which is a GUID
)

// lifecycle events (contract 6.6).
const (
	reauthorizationRequired = "reauthorizationRequired"
	subscriptionRemoved     = "subscriptionRemoved"
	missed                  = "missed"
)

// notification is one of a collection, as far as it is used.
type notification struct {
	Subscription string `json:"subscriptionId"`
	Tenant       string `json:"tenantId"`
	ClientState  string `json:"clientState"`
	Resource     string `json:"resource"`
	// Lifecycle is one of the lifecycle events; "" of a change.
	Lifecycle string `json:"lifecycleEvent"`
}

// decode reads a body: the notifications that can be read, and how many there are that
// cannot. A body that is no collection is one of these. Members are found whatever the
// case of their letters, and others than those used may be there.
func decode(body []byte) (good []notification, bad int) {
	var collection struct {
		Value []json.RawMessage `json:"value"`
	}
	if len(body) > MaxBody || json.Unmarshal(body, &collection) != nil || len(collection.Value) == 0 {
		return nil, 1
	}
	if over := len(collection.Value) - maxNotifications; over > 0 {
		collection.Value, bad = collection.Value[:maxNotifications], over
	}
	for _, raw := range collection.Value {
		var n notification
		if json.Unmarshal(raw, &n) != nil || !n.readable() {
			bad++
			continue
		}
		good = append(good, n)
	}
	return good, bad
}

// readable reports whether a notification has what is needed, and nothing unheard of.
func (n *notification) readable() bool {
	for _, event := range []string{"", reauthorizationRequired, subscriptionRemoved, missed} {
		if strings.EqualFold(n.Lifecycle, event) {
			n.Lifecycle = event
			return isID(n.Subscription) && len(n.ClientState) == stateSize
		}
	}
	return false
}

// isID reports whether a text can be the id of a subscription: nothing else of a
// notification goes into a path or a message as it came.
func isID(s string) bool {
	if s == "" || len(s) > maxID {
		return false
	}
	for _, c := range s {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' {
			return false
		}
	}
	return true
}

// objectID is the account in whose mailbox something changed, in lower case; "" where the
// resource does not tell. It is Users/{id}/Events/{id}, Users('{id}')/… or
// users/{id}@{tenant}/… (contract 6.4).
func (n *notification) objectID() string {
	const before = "users"
	rest := strings.TrimPrefix(n.Resource, "/")
	if len(rest) < len(before)+1 || !strings.EqualFold(rest[:len(before)], before) {
		return ""
	}
	rest = strings.TrimPrefix(strings.TrimLeft(rest[len(before):], "/("), "'")
	const size = 36
	if len(rest) < size || !guid.MatchString(rest[:size]) || len(rest) > size && !strings.ContainsRune("/'@)", rune(rest[size])) {
		return ""
	}
	return strings.ToLower(rest[:size])
}
