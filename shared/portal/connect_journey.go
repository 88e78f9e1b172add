package portal

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/reason"
	"github.com/calbridge/calbridge/shared/state"
)

// Tokens seals what a sign-in brought for one connection; *identity.Users does.
type Tokens interface {
	SealTokens(organization string, connection key.Key, tenant, objectID string, cache []byte) []byte
}

// Mailboxes finds a mailbox; graph.Calendar does. Its error is a *graph.Error.
type Mailboxes interface {
	Mailbox(ctx context.Context, as graph.Access, address string) (graph.Mailbox, error)
}

// Connections are the use cases of connections; *engine.Engine has them.
type Connections interface {
	Connections(ctx context.Context, organization, user string) ([]connection.Connection, error)
	ConnectionID(ctx context.Context, organization, user string, account connection.Account) (key.Key, error)
	Connect(ctx context.Context, c connection.Connection, sealed []byte) (connection.Connection, error)
	ChangeConnection(ctx context.Context, organization string, id key.Key, change engine.ConnectionChange, check engine.CheckConnection) (engine.VersionedConnection, error)
	ConnectionCalendars(ctx context.Context, organization string, id key.Key, check engine.CheckConnection) ([]graph.Folder, error)
	Disconnect(ctx context.Context, organization string, id key.Key, check engine.CheckConnection) error
	Dismiss(ctx context.Context, organization, user string, dismissed bool) error
	// Choose fails with state.ErrNotFound for a person who was never seen, as Person does.
	Choose(ctx context.Context, organization, user string, c engine.Choice) error
	Person(ctx context.Context, organization, user string) (engine.Person, error)
}

// attempt is the document of a flow of ours (state.Flow.Detail): what somebody left
// with, and who came back. It holds no secret.
type journey struct {
	Role   string `json:"role"`
	Locale string `json:"locale,omitempty"`
	// Email is the link's address of the person.
	Email string `json:"email,omitempty"`
	// Back is the session's return URL.
	Back string `json:"back,omitempty"`
	// Tenant is where they were sent to sign in.
	Tenant    string               `json:"tenant"`
	Direction connection.Direction `json:"direction,omitempty"`
	Scope     connection.Scope     `json:"scope,omitempty"`
	Asked     []string             `json:"asked,omitempty"` // permissions, short
	// Connection is the one that is signed in for again; "" for a new one.
	Connection string `json:"connection,omitempty"`
	Claims     string `json:"claims,omitempty"`
	// Silent says that Microsoft was asked to show no page (connect_silent.go).
	Silent bool `json:"silent,omitempty"`

	// The rest is there from the callback on.
	Account connection.Account `json:"account"`
	Name    string             `json:"name,omitempty"`
	Mailbox string             `json:"mailbox,omitempty"`
	Cause   string             `json:"cause,omitempty"` // why the mailbox cannot be used
	Granted []string           `json:"granted,omitempty"`
	// Numbers and Correlation are Entra's, of a sign-in that failed.
	Numbers     []int  `json:"numbers,omitempty"`
	Correlation string `json:"correlation,omitempty"`
	// Said is when the person said yes; zero before.
	Said time.Time `json:"said,omitzero"`
	// Proof is what the organisation admin's sign-in came to.
	Proof organization.Outcome `json:"proof,omitempty"`
}

func (j journey) choice() choice { return choice{j.Direction, j.Scope} }

// calendar reports whether an account is to be connected.
func (j journey) calendar() bool { return j.Direction != "" }

// onlyProof reports whether only the tenant is proven, because the organisation's admin
// signed in for nothing else, or came back without a mailbox (T3).
func (j journey) onlyProof() bool {
	return j.Role == state.OrgAdmin && (!j.calendar() || j.Cause == reason.MailboxNotFound)
}

// encode is j's document.
func (j journey) encode() []byte {
	b, err := json.Marshal(j)
	if err != nil {
		panic(err) // strings and numbers
	}
	return b
}

// journeyOf reads the document of a flow.
func journeyOf(f state.Flow) (journey, error) {
	var j journey
	if err := json.Unmarshal(f.Detail, &j); err != nil {
		return j, fmt.Errorf("portal: a flow's document: %w", err)
	}
	return j, nil
}

// oursToFinish reports whether a flow is of one of our kinds.
func oursToFinish(f state.Flow) bool {
	return slices.Contains([]string{kindConnect, kindRooms}, f.Kind)
}

// Steps of a flow between its callback and its end.
const (
	// stepConfirm is consent's: the person is asked.
	stepYes = "yes" // they said yes; what follows may be repeated
)

// conclude stores how a flow ended, without any secret, and sends the browser to its page.
// Whoever is second finds the first one's end there.
func (v *visit) conclude(ctx context.Context, f state.Flow, j journey, e ending) Answer {
	f.Outcome, f.Detail = string(e), j.encode()
	if _, err := v.keep(ctx, f, nil); err != nil && !errors.Is(err, state.ErrPrecondition) {
		return v.broken(err)
	}
	return v.see(v.portal.path(pageAttempt, f.ID))
}

// who is what the booking app says of the person that an attempt is for.
func (v *visit) who(ctx context.Context, f state.Flow, j journey) (person, error) {
	p, err := v.portal.deps.Connections.Person(ctx, f.Organization, f.User)
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		return person{}, err
	}
	return person{Name: p.Name, Email: cmp.Or(j.Email, p.Email), Account: p.Account}, nil // nobody known is the zero value
}
