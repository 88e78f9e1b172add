// Package changes is what Exchange tells of a calendar from one reading to the next:
// calendarView/delta without its URLs and JSON, over an exchange.Store. graphapi puts
// Graph's wire format over it, twin puts graph.Reader over it; so both have one logic.
//
// # Rules and their source
//
// Section numbers are those of graph/contract.md.
//
//   - A round is the whole window at first, later what has changed since the link (4.4,
//     4.5). A single event comes in full; a series as its master, the occurrences in the
//     window as slim items, and its exceptions in full, whatever of it changed; so an
//     occurrence that was deleted is absent and not removed.
//   - What was in the window and is no more is removed. So may be what was created,
//     changed or deleted outside, under an id that nobody has seen (Switches.QuietOutside).
//   - A series is never split over pages: a page ends once it has as many items as were
//     asked for, 10 where none were, and may have any number more (4.3).
//   - Links name a generation of a sync state, which is one per app, mailbox, calendar and
//     window. Each round makes a generation; the last four are kept, and a link of an
//     older one is 410 (4.6). What a page has is fixed when its round begins, so the
//     same link gives the same page as long as its generation lives.
//   - A link that was altered, or is another mailbox's, is 400 ErrorInvalidUrlQuery (S).
//
// # Guessed
//
//   - That the round, not the page, is the moment as of which a calendar is told.
//   - A series whose last occurrence left the window is removed like a single event.
//   - The kept generations are told newest first in the message of 410.
//   - A window that ends before it begins is 400 ErrorInvalidParameter.
//   - A mailbox that comes back with other ids has lost its links: 410.
package changes

import (
	"net/http"
	"sync"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

// Tracker keeps the sync states of a store. It is safe for concurrent use.
type Tracker struct {
	store *exchange.Store
	now   func() time.Time

	mu       sync.Mutex
	switches Switches
	states   map[scope]*state
	numbers  []*state // state n has number n
}

// New returns a tracker without states, with the store's clock.
func New(store *exchange.Store, now func() time.Time) *Tracker {
	return &Tracker{store: store, now: now, states: map[scope]*state{}}
}

// Request asks for one page.
type Request struct {
	Tenant string
	App    string // client id of the reader
	User   string // whose mailbox: object id or any address
	// Calendar is an id; "" is the default one.
	Calendar string
	// From and To are the window, where Token is "".
	From, To time.Time
	// Token is what Page.Next or Page.Delta was; "" begins anew.
	Token string
	// Size is how many items to a page, a hint; 10 when 0.
	Size int
}

// Page is one page of a round. Exactly one of Next and Delta is set.
type Page struct {
	Items       []Item
	Next, Delta string // tokens
}

// Item is one entry of a page.
type Item struct {
	// Event is empty where Removed.
	Event         exchange.Event
	ID, MutableID string
	Slim          bool // an occurrence: only ids, key and times are told
	Removed       bool
}

// scope is what has a sync state of its own.
type scope struct {
	tenant, app, user, calendar string
	from, to                    time.Time
}

// state is a sync state: the generations that are still known, oldest first.
type state struct {
	scope
	number  uint32
	highest uint32
	kept    []*round
}

// kept is how many generations are (S).
const kept = 4

// usual is how many items a page has where the request does not say.
const usual = 10

// Read gives one page. Its error is a *exchange.Error.
func (t *Tracker) Read(r Request) (Page, error) {
	box, err := t.store.User(r.Tenant, r.User)
	if err != nil {
		return Page{}, err
	}
	calendar, err := t.store.Calendar(r.Tenant, r.User, r.Calendar)
	if err != nil {
		return Page{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	in := scope{r.Tenant, r.App, box.ObjectID, calendar.ID, r.From.UTC(), r.To.UTC()}
	if r.Token == "" {
		if r.From.IsZero() || r.To.IsZero() {
			return Page{}, errWindow()
		}
		if r.To.Before(r.From) {
			return Page{}, refuse(http.StatusBadRequest, "ErrorInvalidParameter", "The end of the window is before its start.")
		}
		s := t.state(in)
		now, err := t.begin(s, nil)
		if err != nil {
			return Page{}, err
		}
		return t.page(s, now, token{}, r.Size), nil
	}
	return t.follow(r, in)
}

// follow reads on from a token.
func (t *Tracker) follow(r Request, in scope) (Page, error) {
	tok, ok := parseToken(r.Token)
	if !ok {
		return Page{}, errMalformed()
	}
	if int(tok.state) >= len(t.numbers) {
		return Page{}, t.expired(tok, nil)
	}
	s := t.numbers[tok.state]
	if s.tenant != in.tenant || s.app != in.app || s.user != in.user || s.calendar != in.calendar && r.Calendar != "" {
		return Page{}, errMalformed()
	}
	base := s.generation(tok.generation)
	if base == nil || s.calendar != in.calendar || t.switches.outlived(base.at, t.now()) {
		return Page{}, t.expired(tok, s)
	}
	if !tok.ends {
		return t.page(s, base, tok, r.Size), nil
	}
	now, err := t.begin(s, base)
	if err != nil {
		return Page{}, err
	}
	return t.page(s, now, token{}, r.Size), nil
}

// state finds or makes a sync state. The caller holds the lock.
func (t *Tracker) state(in scope) *state {
	s := t.states[in]
	if s == nil {
		s = &state{scope: in, number: uint32(len(t.numbers))}
		t.states[in] = s
		t.numbers = append(t.numbers, s)
	}
	return s
}

func (s *state) generation(number uint32) *round {
	for _, r := range s.kept {
		if r.number == number {
			return r
		}
	}
	return nil
}

// Expire lets every link of a mailbox be expired from now on.
func (t *Tracker) Expire(tenant, user string) error {
	box, err := t.store.User(tenant, user)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.numbers {
		if s.user == box.ObjectID {
			s.kept = nil
		}
	}
	return nil
}

func refuse(status int, code, message string) *exchange.Error {
	return &exchange.Error{Status: status, Code: code, Message: message}
}

// errWindow is the refusal of a first call without a window (4.1).
func errWindow() *exchange.Error {
	return refuse(http.StatusBadRequest, "ErrorInvalidParameter",
		"This request requires a time window specified by the query string parameters StartDateTime and EndDateTime.")
}

func errMalformed() *exchange.Error {
	return refuse(http.StatusBadRequest, "ErrorInvalidUrlQuery", "The sync state token is malformed.")
}
