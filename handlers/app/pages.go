package app

import (
	"context"
	"time"

	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/link"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/portal"
	"github.com/calbridge/calbridge/shared/settings"
	"github.com/calbridge/calbridge/shared/state"
)

// newPages wires what people see.
func newPages(s settings.Settings, parts parts, e *engine.Engine, syncer *downsync.Syncer, keys *link.Keys, issuer *link.Issuer, now func() time.Time) (*portal.Portal, error) {
	return portal.New(portal.Deps{Links: state.NewLinks(parts.tables), Sessions: state.NewSessions(parts.tables), Flows: state.NewFlows(parts.tables),
		Keys: keys, Sealer: parts.sealer, Organizations: asTheyAre{parts.organizations}, Entra: parts.users, Consents: e, Issuer: issuer, Setup: e,
		Connections: e, Readings: syncer, Mailboxes: parts.calendar, Tokens: parts.users, Domains: parts.domains},
		portal.Options{PublicURL: s.PublicURL, Authority: s.Entra.Authority, ReturnOrigins: s.ReturnOrigins, Now: now})
}

// asTheyAre reads organisations past the cache: a page shows what was just changed.
type asTheyAre struct{ organizations *state.Organizations }

func (a asTheyAre) Organization(ctx context.Context, id string) (organization.Organization, error) {
	o, _, err := a.organizations.Get(ctx, id)
	return o, err
}
