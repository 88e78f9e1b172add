package history

import (
	"context"
	"slices"
	"strings"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
)

// atEveryInstant checks what must hold at any moment (I1): an event that the row does
// not name, or a second one, only while something in the row or on its way will find it.
func (h *history) atEveryInstant() {
	for _, booking := range h.bookings() {
		for _, user := range h.users() {
			ours := h.w.Ours(booking, user)
			if len(ours) == 0 || len(h.w.Workers) > 0 || h.w.Late() > 0 {
				continue
			}
			row := h.row(booking, user)
			if known := len(ours) == 1 && ours[0].ID == row.Event; !known && !row.Intent.InDoubt() && row.Look.Nonce == "" {
				h.Fatalf("I1: %d events of %s for %s, and nothing in the row that would find them", len(ours), booking, user)
			}
		}
	}
}

func (h *history) lane(user string) state.Lane {
	lane, err := state.NewLanes(h.w.Tables).Lane(context.Background(), key.Lane(world.Organization, key.User, user))
	if err != nil {
		h.Fatal(err)
	}
	return lane
}

func (h *history) row(booking, user string) state.Delivery {
	row, err := state.NewLanes(h.w.Tables).Delivery(context.Background(), key.Lane(world.Organization, key.User, user),
		key.Delivery(world.Organization, booking, key.User, user))
	if err != nil {
		h.Fatal(err)
	}
	return row
}

// settled checks what must hold when all is quiet.
func (h *history) settled() {
	if n := h.w.DeadLetters(); n > 0 {
		h.Fatalf("%d messages dead-lettered", n)
	}
	if mails := h.w.Exchange.Mails(); len(mails) > 0 {
		h.Fatalf("I5: %d mails", len(mails))
	}
	if h.signIn() {
		h.checkReach()
	}
	for booking, r := range h.sent {
		for _, user := range h.users() {
			h.checkDelivery(booking, user, r)
		}
	}
	h.checkStrange()
}

func (h *history) checkDelivery(booking, user string, r *revision) {
	name := booking + " for " + user
	ours := h.w.Ours(booking, user)
	last, err := h.w.Last(booking, user)
	if err != nil {
		h.Fatalf("%s: %v", name, err)
	}
	if _, invited := r.people[user]; !invited && last.State == "" {
		// Never on it, or only in a revision that came after a higher one.
		if len(ours) > 0 || last.State != "" {
			h.Fatalf("%s: never was on it, yet %+v and %d events", name, last, len(ours))
		}
		return
	}
	row := h.row(booking, user)
	if row.Debt != "" || row.Intent.Op != "" || row.Look.Nonce != "" {
		h.Fatalf("I3: %s is still owed, in doubt or waiting: %+v", name, row)
	}
	if last.Revision != r.number || row.Revision != r.number {
		h.Fatalf("I3: %s settled at revision %d, published %d, sent %d", name, row.Revision, last.Revision, r.number)
	}
	if last.State != row.State || last.Reason != row.Reason {
		h.Fatalf("I9: %s: the last result is %s/%s, the row says %s/%s", name, last.State, last.Reason, row.State, row.Reason)
	}
	assigned, invited := r.people[user]
	wanted := invited && assigned && !r.cancelled
	switch {
	case last.State == "written":
		if !wanted {
			h.Fatalf("I2: %s is written, but not wanted", name)
		}
		h.checkEvent(name, user, r, ours, row)
	case len(ours) > 0:
		h.Fatalf("I1: %s is %s/%s, yet %d events", name, last.State, last.Reason, len(ours))
	case wanted && !(last.Reason == "removed-by-user" && h.deleted[booking+"/"+user]):
		h.Fatalf("I2: %s is wanted, yet %s/%s", name, last.State, last.Reason)
	}
}

func (h *history) checkEvent(name, user string, r *revision, ours []exchange.Event, row state.Delivery) {
	if len(ours) == 0 && h.deleted[strings.Replace(name, " for ", "/", 1)] {
		return // deleted after it was written: the next revision will find out
	}
	if len(ours) != 1 {
		h.Fatalf("I1: %s is written, yet %d events", name, len(ours))
	}
	e := ours[0]
	if box := h.boxOf(e.ID).User.Mail; box != h.target(user) || row.Event != e.ID {
		h.Fatalf("I1: %s lives in %s, want %s (row %s, event %s)", name, box, h.target(user), row.Event, e.ID)
	}
	if e.Subject != r.title || !strings.Contains(e.Body, r.text) {
		h.Fatalf("I2: %s holds %q, want %q with %q", name, e.Subject, r.title, r.text)
	}
	if note := h.notes[e.ID]; note != "" && !strings.Contains(e.Body, note) {
		h.Fatalf("A4: what the user wrote into %s is gone", name)
	}
}

// checkStrange sees that nobody's events but ours were touched (I4).
func (h *history) checkStrange() {
	var seen []string
	for _, box := range h.w.Exchange.Boxes() {
		for _, e := range box.Events {
			if version, ok := h.strange[e.ID]; ok {
				seen = append(seen, e.ID)
				if e.ChangeKey != version {
					h.Fatalf("I4: a copy that a user made was changed")
				}
			}
		}
	}
	for id := range h.strange {
		if !slices.Contains(seen, id) {
			h.Fatalf("I4: a copy that a user made was deleted")
		}
	}
}
