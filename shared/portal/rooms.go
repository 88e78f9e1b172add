package portal

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/calbridge/calbridge/shared/state"
)

// roomsPage is the room manager's: the sign-in that may read the directory's rooms.
type roomsPage struct {
	Hindrance trouble // "" where they can sign in
	Start     string
	// SignedIn is who signed in last, and when; Unfinished when an attempt began that did
	// not come back.
	SignedIn    string
	At          time.Time
	Unfinished  time.Time
	ConsentLink string
}

// showRooms answers GET of rooms/<grant>.
func (p *Portal) showRooms(ctx context.Context, v *visit) Answer {
	var d roomsPage
	_, d.Hindrance = plan(v.org, v.session.Role, v.session.User)
	if d.Hindrance == "" {
		d.Start = p.startPath(v.session.ID, "", choice{})
	}
	f, err := p.deps.Flows.Latest(ctx, v.session.Organization, kindRooms, v.session.User)
	away := v.now.Sub(f.Created)
	switch {
	case errors.Is(err, state.ErrNotFound):
	case err != nil:
		return v.broken(err)
	case f.Organization != v.session.Organization || f.User != v.session.User || away >= shownFor || v.org.State.Earlier(f.Created):
	case f.Outcome == string(endRooms):
		j, err := journeyOf(f)
		if err != nil {
			return v.broken(err)
		}
		d.SignedIn, d.At = j.Account.Name, f.Used
	case f.Used.IsZero() && away >= unfinishedAfter:
		d.Unfinished = f.Created
		if d.ConsentLink, err = v.consentLink(ctx, false, v.session.Email); err != nil {
			return v.broken(err)
		}
	}
	return v.page(http.StatusOK, "rooms", d)
}
