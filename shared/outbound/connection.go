package outbound

import (
	"fmt"
	"time"

	"github.com/calbridge/calbridge/shared/key"
)

// Connection tells that a person's connection got into another state.
type Connection struct {
	ID      key.Key
	User    string
	State   string // connected, needs-reauth, blocked-by-policy, unreachable or disconnected
	Reason  string // an AADSTS number or a reason of package reason; "" for none
	Message string // a sentence for people
	// Correlation names the failed sign-in in the tenant's own logs; "" for none.
	Correlation string
	Since       time.Time // when it got into that state
}

// EventID is that of the event: a re-send of the same change has the same one.
func (c Connection) EventID() string {
	return key.UUID(fmt.Sprintf("connection/%s/%s/%d", c.ID, c.State, c.Since.UnixNano()))
}

// Event is calbridge.connection.v1.
func (c Connection) Event(o Origin) Event {
	data := struct {
		Connection  string `json:"connection"`
		User        string `json:"user,omitempty"`
		State       string `json:"state"`
		Reason      string `json:"reason,omitempty"`
		Message     string `json:"message,omitempty"`
		Correlation string `json:"correlation,omitempty"`
		Since       string `json:"since"`
	}{c.ID.String(), c.User, c.State, c.Reason, c.Message, c.Correlation, c.Since.UTC().Format(time.RFC3339)}
	return o.event(c.EventID(), TypeConnection, c.ID.String(), key.Lane(o.Organization, key.User, c.User), data)
}
