package twin

import (
	"cmp"
	"context"
	"strings"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/shared/graph"
)

var _ graph.Calendars = (*Twin)(nil)

// Calendars lists a mailbox's calendars, and for an account whose grant is Shared those
// that others share with it. A test that faults requests sees it as a Visit of the
// mailbox with Listed set.
func (t *Twin) Calendars(ctx context.Context, as graph.Access, mailbox string) ([]graph.Folder, error) {
	if mailbox = as.Path(mailbox); !segment(mailbox) {
		return nil, unfit("no mailbox")
	}
	if failure := t.ready(ctx, as); failure != nil {
		return nil, failure
	}
	switch fate := t.fate(Visit{Access: as, Mailbox: mailbox, Listed: true}); fate.Effect {
	case Pass, Delay:
	case Answer:
		return nil, fate.failure(graph.Call{})
	default:
		return nil, unanswered()
	}
	own, err := t.store.Calendars(as.Tenant, mailbox)
	if err != nil {
		return nil, failed(graph.Call{}, err)
	}
	var all []graph.Folder
	for _, c := range own {
		all = append(all, folder(c))
	}
	if !t.shares(as) {
		return all, nil
	}
	mounts, err := t.store.Mounts(as.Tenant, mailbox)
	if err != nil {
		return nil, failed(graph.Call{}, err)
	}
	for _, m := range mounts {
		all = append(all, folder(m.Calendar))
	}
	return all, nil
}

// shares reports whether an access is of a grant that reaches what others share.
func (t *Twin) shares(as graph.Access) bool { return t.account(as).Shared }

// account is whose grant an access is of; empty for the app's own.
func (t *Twin) account(as graph.Access) Account {
	if as.App() {
		return Account{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	g, _ := t.grant(as)
	return g.Account
}

// folder is a calendar as the client reads it.
func folder(c exchange.Calendar) graph.Folder {
	return graph.Folder{ID: c.ID, Name: c.Name, Default: c.Default, CanEdit: !c.ReadOnly,
		Owner: strings.ToLower(c.Owner.Address), OwnerName: c.Owner.Name, Color: cmp.Or(c.Color, "auto")}
}
