package twin

import (
	"context"
	"fmt"
	"strings"

	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
)

// Account is who signed in: a tenant and an object id of it.
type Account struct {
	Tenant, ObjectID string
	// Shared says that what they granted reaches the calendars that others share.
	Shared bool
	// Basic says that they granted Calendars.ReadBasic and no more.
	Basic bool
}

// grants are the people's tokens that a twin knows: whose they are, and why they
// do not work any more.
type grants struct {
	connections map[key.Key]grant
	tokens      map[string]grant
	foreign     []string
}

type grant struct {
	Account
	failure *graph.Error // what the token endpoint says instead of a token; nil: it gives one
}

func newGrants() grants {
	return grants{connections: map[key.Key]grant{}, tokens: map[string]grant{}}
}

// Grant lets a connection act for an account, until another Grant or Fail.
func (t *Twin) Grant(connection key.Key, who Account) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.grants.connections[connection] = grant{Account: lowered(who)}
}

// GrantToken makes an access token that acts for an account.
func (t *Twin) GrantToken(token string, who Account) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.grants.tokens[token] = grant{Account: lowered(who)}
}

// Fail makes the token endpoint answer with failure whenever a connection's token
// is asked for, as graph.ClassifyToken made it.
func (t *Twin) Fail(connection key.Key, failure *graph.Error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.grants.connections[connection]
	g.failure = failure
	t.grants.connections[connection] = g
}

// Foreign lists the attempts of a connection to reach what its account has no right
// to: another tenant, or another mailbox than its own. Each was refused. One that a
// real token would have refused too is listed all the same: the program may not
// lean on that (I7).
func (t *Twin) Foreign() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.grants.foreign...)
}

func lowered(who Account) Account {
	who.Tenant, who.ObjectID = strings.ToLower(who.Tenant), strings.ToLower(who.ObjectID)
	return who
}

// ready fails when no request would be made at all: the context is over, or there
// is no token.
func (t *Twin) ready(ctx context.Context, as graph.Access) *graph.Error {
	if err := ctx.Err(); err != nil {
		return &graph.Error{Kind: graph.Transient, Cause: err}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.store.HasTenant(as.Tenant) || as.App() && t.refused[strings.ToLower(as.Tenant)] {
		return graph.ClassifyToken("unauthorized_client", []int{700016}, 400)
	}
	if as.App() {
		return nil
	}
	g, known := t.grant(as)
	switch {
	case !known || g.Tenant != as.Tenant || g.ObjectID != as.ObjectID:
		return t.deny("%s asked for a token of %s in %s", as, as.ObjectID, as.Tenant)
	case g.failure != nil:
		failure := *g.failure
		return &failure
	}
	return nil
}

// grant is the grant of an access that is not the app's. A token that is handed
// over never fails.
func (t *Twin) grant(as graph.Access) (grant, bool) {
	if as.Token != "" {
		g, ok := t.grants.tokens[as.Token]
		return g, ok
	}
	g, ok := t.grants.connections[as.Connection]
	return g, ok
}

// reaches fails when an access names a mailbox that is not its own. The client
// would put the account's object id into the path instead; what the call names is
// judged here, so that the program cannot pass by accident.
func (t *Twin) reaches(as graph.Access, mailbox string) *graph.Error {
	if as.App() {
		return nil
	}
	if strings.EqualFold(mailbox, as.ObjectID) {
		return nil
	}
	if u, err := t.store.User(as.Tenant, mailbox); err == nil && strings.EqualFold(u.ObjectID, as.ObjectID) {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.deny("%s of %s named another mailbox", as, as.ObjectID)
}

// deny lists an attempt and is its refusal. The caller holds the lock.
func (t *Twin) deny(format string, args ...any) *graph.Error {
	t.grants.foreign = append(t.grants.foreign, fmt.Sprintf(format, args...))
	return graph.Classify(403, "ErrorAccessDenied", nil)
}

// Token is what the token endpoint says of a connection: nil, that it gives a token.
func (t *Twin) Token(connection key.Key) *graph.Error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if g := t.grants.connections[connection]; g.failure != nil {
		failure := *g.failure
		return &failure
	}
	return nil
}
