package msgraph

import (
	"context"
	"errors"

	"github.com/calbridge/calbridge/shared/graph"
)

// AppTokens gives the app's own tokens, by tenant. Errors are as those of Tokens.
type AppTokens interface {
	Token(ctx context.Context, tenant string, fresh bool) (string, error)
}

// tokens are the app's own and people's.
type tokens struct {
	app    AppTokens
	people Tokens
}

// NewTokens puts together who gives the app's tokens and who gives those of
// people's connections; the latter may be nil, and then there are none.
func NewTokens(app AppTokens, people Tokens) Tokens { return tokens{app, people} }

// Token implements Tokens.
func (t tokens) Token(ctx context.Context, as graph.Access, fresh bool) (string, error) {
	switch {
	case as.App():
		return t.app.Token(ctx, as.Tenant, fresh)
	case t.people == nil:
		return "", errNoPeople
	}
	return t.people.Token(ctx, as, fresh)
}

var errNoPeople = errors.New("msgraph: nobody gives people's tokens")
