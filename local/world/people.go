package world

import (
	"context"
	"fmt"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/twin"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

// Other is a second tenant, to which the organisation is not bound.
const Other = "3d5c2d4e-90fe-4f5c-8f1e-9f6a6f2f7a02"

// Account is somebody's account at Microsoft.
type Account struct{ Tenant, Address, ObjectID string }

// Delegate makes the organisation one whose people sign in; accounts is tenant or
// any. Graph knows whose token is whose: see Connect and twin.Twin.Foreign. A call
// with the app's own permission is none that may be made any more: see Trespasses.
func (w *World) Delegate(accounts string) {
	w.Org.Permission, w.Org.Accounts = organization.Delegated, accounts
	w.Exchange.AddTenant(Other)
}

// AddAccount makes a mailbox in a tenant.
func (w *World) AddAccount(tenant, address string) Account {
	u := w.Exchange.AddUser(tenant, exchange.User{Principal: address, Mail: address, Name: address})
	return Account{tenant, address, u.ObjectID}
}

// Connect is a person's sign-in with an account, confirmed, in a direction: the token
// it makes reaches that account's mailbox. It fails as engine.Connect does.
func (w *World) Connect(ctx context.Context, user string, a Account, d connection.Direction) (connection.Connection, error) {
	account := connection.Account{Tenant: a.Tenant, ObjectID: a.ObjectID, Name: a.Address}
	id, err := w.Engine().ConnectionID(ctx, Organization, user, account)
	if err != nil {
		return connection.Connection{}, err
	}
	w.Graph.Grant(id, twin.Account{Tenant: a.Tenant, ObjectID: a.ObjectID})
	c, err := w.Engine().Connect(ctx, connection.Connection{ID: id, Organization: Organization, User: user, Delegated: true,
		Email: a.Address, Account: account, Mailbox: a.Address, Direction: d, Granted: connection.Permissions(connection.Both, "")}, []byte("sealed"))
	if err != nil {
		return connection.Connection{}, fmt.Errorf("world.Connect: %w", err)
	}
	return c, nil
}

// Refresh implements engine.Refresher: the token endpoint says what Graph was told to
// say (twin.Twin.Fail).
func (w *World) Refresh(ctx context.Context, c connection.Connection) error {
	if failure := w.Graph.Token(c.ID); failure != nil {
		return failure
	}
	connections := state.NewConnections(w.Tables)
	row, err := connections.Get(ctx, c.Organization, c.ID)
	if err != nil {
		return err
	}
	_, err = connections.SaveTokens(ctx, c.Organization, key.Lane(c.Organization, key.User, c.User), c.ID, row.Sealed, row.ETag, w.Now(), nil)
	return err
}

var _ engine.Refresher = (*World)(nil)

// watch counts what an organisation whose people sign in may not do, and lets Before
// decide.
func (w *World) watch(v twin.Visit) twin.Fate {
	if w.Org != nil && w.Org.Permission == organization.Delegated && v.Access.App() {
		w.Trespasses++
	}
	if w.Before != nil {
		return w.Before(v)
	}
	return twin.Fate{}
}

// TokenFailure are the answers of the token endpoint by what they mean, as Entra gives them
// (graph/contract.md section 13.5).
func TokenFailure(what graph.Fate) *graph.Error {
	switch what {
	case graph.FatePolicy:
		return graph.ClassifyToken("invalid_grant", []int{53003}, 400)
	case graph.FateConsent:
		return graph.ClassifyToken("invalid_grant/consent_required", []int{65001}, 400)
	case graph.FatePassing:
		return graph.ClassifyToken("temporarily_unavailable", []int{90033}, 503)
	}
	return graph.ClassifyToken("invalid_grant", []int{700082}, 400)
}
