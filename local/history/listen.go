package history

import (
	"context"
	"errors"

	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
)

// reading is how far a mailbox was read, and in whose name.
type reading struct {
	as      graph.Access
	mailbox string
}

// listen reads what changed in a calendar of somebody's, and asks what became of it (I6):
// nothing of ours is an appointment, and what follows keeps all other invariants.
func (h *history) listen() {
	user := rapid.SampledFrom(h.users()).Draw(h.T, "whose calendar")
	r, ok := h.reading(user)
	if !ok {
		return
	}
	ctx := context.Background()
	page, err := h.w.Graph.Delta(ctx, r.as, graph.DeltaRequest{Mailbox: r.mailbox, Link: h.links[r], From: world.Start().AddDate(0, -1, 0), To: world.Start().AddDate(1, 0, 0)})
	if err != nil {
		return // the mailbox or the token is not there
	}
	h.Logf("%d items of %s are read", len(page.Items), r.mailbox)
	lane := key.Lane(world.Organization, key.User, user)
	for _, i := range page.Items {
		fate, err := h.w.Engine().Changed(ctx, world.Organization, lane, r.as, r.mailbox, i)
		if failure := (*graph.Error)(nil); errors.As(err, &failure) {
			return // the page comes again
		}
		if err != nil {
			h.Fatal(err)
		}
		if fate == downsync.Foreign && !i.Removed && h.madeFor(user, i.ID) {
			h.Fatalf("I6: an event of ours is an appointment")
		}
		if _, strange := h.strange[i.ID]; strange && fate == downsync.Handled {
			h.Fatalf("I4: a copy that a user made is ours")
		}
	}
	if h.links[r] = page.Delta; page.Delta == "" {
		h.links[r] = page.Next
	}
}

// reading picks a calendar of a user's and how it is read.
func (h *history) reading(user string) (reading, bool) {
	if !h.signIn() {
		a := rapid.SampledFrom(h.accounts[user]).Draw(h.T, "calendar")
		return reading{graph.AppAccess(a.Tenant), a.Address}, true
	}
	connected := h.connections(user)
	if len(connected) == 0 {
		return reading{}, false
	}
	c := rapid.SampledFrom(connected).Draw(h.T, "calendar")
	if !c.Delegated || c.State != connection.Connected || c.Mailbox == "" {
		return reading{}, false
	}
	as := graph.Access{Tenant: c.Account.Tenant, Organization: world.Organization, Lane: key.Lane(world.Organization, key.User, user),
		Connection: c.ID, ObjectID: c.Account.ObjectID, Version: c.SignIn()}
	return reading{as, c.Mailbox}, true
}

// madeFor reports whether an event is one that was made for a user.
func (h *history) madeFor(user, event string) bool {
	for _, booking := range h.bookings() {
		for _, e := range h.w.Ours(booking, user) {
			if e.ID == event {
				return true
			}
		}
	}
	return false
}
