package handlers

import (
	"context"
	"errors"
	"net/http"

	"github.com/calbridge/calbridge/shared/announce"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/state"
)

// Roster knows an organisation's people. Its lists return at most limit items,
// those after the opaque after; engine.ErrBadCursor: after is none that they gave
// out. state.ErrNotFound: there is no such organisation or person.
type Roster interface {
	People(ctx context.Context, organization, after string, limit int) (engine.People, error)
	Person(ctx context.Context, organization, user string) (engine.Person, error)
	PersonDeliveries(ctx context.Context, organization, user, after string, limit int) (engine.PersonDeliveries, error)
	// Announce merges what is said of people into what is known. It may be repeated,
	// and has to be after an error.
	Announce(ctx context.Context, organization string, people []announce.Person) error
	// Dismiss and Choose take what a person chose. They may be repeated.
	// engine.ErrOptOut: the organisation lets nobody opt out.
	Dismiss(ctx context.Context, organization, user string, dismissed bool) error
	Choose(ctx context.Context, organization, user string, c engine.Choice) error
}

// people is the resource people of the function Organizations.
type people struct{ roster Roster }

// list answers with a page of people, or with user= those of that id: one or none.
func (p people) list(ctx context.Context, r *request) answer {
	after, limit, bad := r.page()
	if bad != nil {
		return *bad
	}
	find := func() (engine.People, error) { return p.roster.People(ctx, r.organization, after, limit) }
	if query := r.URL.Query(); query.Has("user") {
		find = func() (engine.People, error) { return p.one(ctx, r.organization, query.Get("user")) }
	}
	page, err := find()
	if err != nil {
		return peopleProblem(err, "There is no such organisation.")
	}
	return answer{status: http.StatusOK, body: page}
}

func (p people) one(ctx context.Context, organization, user string) (engine.People, error) {
	who, err := p.roster.Person(ctx, organization, user)
	if errors.Is(err, state.ErrNotFound) {
		// Nobody of that id, or no organisation: an empty page of it tells.
		page, err := p.roster.People(ctx, organization, "", 1)
		page.Items, page.Next = []engine.Person{}, ""
		return page, err
	}
	return engine.People{Items: []engine.Person{who}}, err
}

func (p people) announce(ctx context.Context, r *request) answer {
	body, bad := r.body(announce.MaxDocument, "application/json")
	if bad != nil {
		return *bad
	}
	said, faults := announce.Decode(body)
	if len(faults) > 0 {
		return problemAnswer(codeInvalid, "Nobody was changed; errors says what is wrong.", faults...)
	}
	if err := p.roster.Announce(ctx, r.organization, said); err != nil {
		return peopleProblem(err, "There is no such organisation.")
	}
	return answer{status: http.StatusOK, body: map[string]int{"count": len(said)}}
}

func (p people) deliveries(ctx context.Context, r *request) answer {
	after, limit, bad := r.page()
	if bad != nil {
		return *bad
	}
	user := r.URL.Query().Get("user")
	if user == "" {
		return problemAnswer(codeInvalid, "The query parameter user is missing: the person's id.")
	}
	page, err := p.roster.PersonDeliveries(ctx, r.organization, user, after, limit)
	if err != nil {
		return peopleProblem(err, "Nobody of that id was seen in this organisation.")
	}
	return answer{status: http.StatusOK, body: page}
}

// choose takes what a person chose in the booking app: not to be offered a connection
// (T5), or no bookings in the calendar, for good or for a while (L3). It answers with the person.
func (p people) choose(ctx context.Context, r *request) answer {
	body, bad := r.body(maxBody, "application/json")
	if bad != nil {
		return *bad
	}
	c, faults := decodeChoice(body)
	if len(faults) > 0 {
		return problemAnswer(codeInvalid, "Nothing was changed; errors says what is wrong.", faults...)
	}
	who, err := p.chosen(ctx, r.organization, c)
	switch {
	case errors.Is(err, engine.ErrOptOut):
		return problemAnswer(codeConflict, "This organisation lets nobody opt out (optOut is false).")
	case err != nil:
		return peopleProblem(err, "Nobody of that id was seen in this organisation.")
	}
	return answer{status: http.StatusOK, body: who}
}

func (p people) chosen(ctx context.Context, organization string, c choice) (engine.Person, error) {
	if _, err := p.roster.Person(ctx, organization, c.user); err != nil {
		return engine.Person{}, err
	}
	if c.OptedOut != nil || c.Paused != nil {
		if err := p.roster.Choose(ctx, organization, c.user, c.Choice); err != nil {
			return engine.Person{}, err
		}
	}
	if c.dismissed != nil {
		if err := p.roster.Dismiss(ctx, organization, c.user, *c.dismissed); err != nil {
			return engine.Person{}, err
		}
	}
	return p.roster.Person(ctx, organization, c.user)
}

func peopleProblem(err error, missing string) answer {
	switch {
	case errors.Is(err, state.ErrNotFound):
		return notFound(missing)
	case errors.Is(err, engine.ErrBadCursor):
		return problemAnswer(codeInvalid, badCursor)
	}
	return unavailable(err)
}
