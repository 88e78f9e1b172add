package m365

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/faults"
	"github.com/calbridge/calbridge/local/m365/graphapi"
)

// control serves the controls. Bodies are JSON, an unknown member is refused;
// what cannot be done is 400 with {"error": "..."}.
//
//	GET    /sim/mailboxes       every mailbox with its events; ?tenant=&user= for one
//	POST   /sim/mailboxes       {tenant, principal, mail, aliases, name, timeZone, state, content}: adds a user, or sets its state
//	GET    /sim/mails           the mails that Exchange would have sent
//	GET    /sim/faults          rules on Graph requests; /sim/entra/faults on token requests
//	POST   /sim/faults          adds a rule (faults.Rule), answers {"id"}
//	DELETE /sim/faults          removes the rule ?id=, or all
//	GET    /sim/late            requests whose effect is still to come
//	POST   /sim/late            lets them take place, answers {"landed"}
//	DELETE /sim/late            forgets them
//	POST   /sim/outage          {"graph": "works"|"unavailable"|"dead"}
//	GET    /sim/clock           {"now", "ahead"}
//	POST   /sim/clock           {"advance": "10m"}
//	GET    /sim/switches        Switches in force
//	POST   /sim/switches        Switches; what is absent is the contract's working assumption
//	POST   /sim/limits          graphapi.Limits; what is absent is the documented limit
//	GET    /sim/looks           how mailboxes were looked at: {"tenant", "user", "kind", "count", "lists"}
//	GET    /sim/delta           changes.Switches in force
//	POST   /sim/delta           changes.Switches; what is absent is the contract's working assumption
//	POST   /sim/delta/expire    {tenant, user}: every link of the mailbox has expired
//	GET    /sim/notify          notify.Switches in force
//	POST   /sim/notify          notify.Switches; what is absent is the contract's working assumption
//	GET    /sim/subscriptions   every subscription, with the state of its address
//	POST   /sim/subscriptions   {id, send}: a lifecycle event, or lapse
//	GET    /sim/notifications   {"pending", "sent"}
//	POST   /sim/notifications   {do, subscription, tenant, number, by}: do is deliver, drop, delay, duplicate, reorder
//	POST   /sim/endpoints       {url, state}: works, slow, drop
//	POST   /sim/index           lets the search find every event
//	POST   /sim/people          Deed: what the owner of a mailbox does in Outlook
//	GET    /sim/entra/users     accounts of ?tenant=
//	POST   /sim/entra/users     {tenant, principal, do, name, mail, roles, home}: do is add, invite, disable, enable, reset-password, revoke-sessions
//	GET    /sim/entra/grants    delegated and app role grants of ?tenant=
//	POST   /sim/entra/grants    {tenant, app, user, scopes, roles}: a consent
//	DELETE /sim/entra/grants    ?tenant=&app=, and user: a user's, those for "all", or the app itself
//	POST   /sim/entra/policy    {tenant, noUserConsent, workflow, browser, server, signInFrequency, restricted}
//	GET    /sim/entra/requests  what users of ?tenant= asked their administrators for
//	GET    /sim/entra/switches  entra.Switches in force
//	POST   /sim/entra/switches  entra.Switches; what is absent is the contract's working assumption
//	POST   /sim/entra/keys      rotates the signing keys
//	POST   /sim/entra/id-tokens {"spoil"}: what is wrong with id tokens (entra.Spoil)
//	POST   /sim/entra/app       {tenant, app, disabled, assigned, revoke}
//	POST   /sim/scope           {tenant, app, users}: the mailboxes that Exchange itself lets an app into
//	POST   /sim/shares          {tenant, owner, with, as}: as is reader, editor, nobody
//	POST   /sim/calendars       {tenant, user, name, color}: another calendar of a mailbox, answers {"id"}
//	POST   /sim/import          the body is a calendar file, imported in ?tenant=&user=
//
// docs/simulator.md shows them at work.
func (s *Server) control() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /sim/mailboxes", answer(s.mailboxes))
	mux.Handle("POST /sim/mailboxes", answer(s.setMailbox))
	mux.Handle("GET /sim/mails", answer(func(*http.Request) (any, error) { return showMails(s.Exchange.Mails()), nil }))
	for path, set := range map[string]*faults.Set{"/sim/faults": s.GraphFaults, "/sim/entra/faults": s.EntraFaults} {
		mux.Handle("GET "+path, answer(func(*http.Request) (any, error) { return set.Rules(), nil }))
		mux.Handle("POST "+path, answer(func(r *http.Request) (any, error) { return addRule(set, r) }))
		mux.Handle("DELETE "+path, answer(func(r *http.Request) (any, error) { return removeRule(set, r) }))
	}
	mux.Handle("GET /sim/late", answer(func(*http.Request) (any, error) { return s.Graph.Late(), nil }))
	mux.Handle("POST /sim/late", answer(func(*http.Request) (any, error) { return map[string]int{"landed": s.Graph.Land()}, nil }))
	mux.Handle("DELETE /sim/late", answer(func(*http.Request) (any, error) { return map[string]int{"dropped": s.Graph.DropLate()}, nil }))
	mux.Handle("POST /sim/outage", answer(s.setOutage))
	mux.Handle("GET /sim/clock", answer(func(*http.Request) (any, error) { return s.clock(), nil }))
	mux.Handle("POST /sim/clock", answer(s.setClock))
	mux.Handle("POST /sim/switches", answer(s.setSwitches))
	mux.Handle("GET /sim/switches", answer(func(*http.Request) (any, error) { return s.shownSwitches(), nil }))
	mux.Handle("POST /sim/limits", answer(s.setLimits))
	mux.Handle("POST /sim/import", answer(s.doImport))
	mux.Handle("POST /sim/index", answer(func(*http.Request) (any, error) { s.Exchange.Index(); return struct{}{}, nil }))
	mux.Handle("POST /sim/people", answer(s.people))
	s.identities(mux)
	s.notifications(mux)
	return http.NewCrossOriginProtection().Handler(mux)
}

// answer makes a handler of a function that returns what to send as JSON.
func answer(f func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		value, err := f(r)
		w.Header().Set("Content-Type", "application/json")
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			value = map[string]string{"error": err.Error()}
		}
		json.NewEncoder(w).Encode(value)
	})
}

// read decodes one JSON value without unknown members.
func read[T any](r *http.Request) (T, error) {
	var value T
	dec := json.NewDecoder(io.LimitReader(r.Body, 1<<20))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&value); err != nil {
		return value, fmt.Errorf("the body: %w", err)
	}
	return value, nil
}

func addRule(set *faults.Set, r *http.Request) (any, error) {
	rule, err := read[faults.Rule](r)
	if err != nil {
		return nil, err
	}
	id, err := set.Add(rule)
	return map[string]int{"id": id}, err
}

func removeRule(set *faults.Set, r *http.Request) (any, error) {
	if r.URL.Query().Get("id") == "" {
		set.Clear()
		return struct{}{}, nil
	}
	id, err := strconv.Atoi(r.URL.Query().Get("id"))
	set.Remove(id)
	return struct{}{}, err
}

// newMailbox is a user to add, or one whose state to set.
type newMailbox struct {
	Tenant    string   `json:"tenant"`
	Principal string   `json:"principal"`
	ObjectID  string   `json:"objectId"`
	Mail      string   `json:"mail"`
	Aliases   []string `json:"aliases"`
	Name      string   `json:"name"`
	TimeZone  string   `json:"timeZone"`
	State     string   `json:"state"` // exchange.ParseState; "" is ready
	// Content is what becomes of the events of a mailbox that is ready again: keep,
	// the default, new-ids or empty.
	Content exchange.Fate `json:"content"`
}

func (s *Server) setMailbox(r *http.Request) (any, error) {
	m, err := read[newMailbox](r)
	if err != nil {
		return nil, err
	}
	state, known := exchange.ParseState(m.State)
	switch {
	case m.State != "" && !known:
		return nil, fmt.Errorf("no state %q", m.State)
	case m.Tenant == "" || m.Principal == "":
		return nil, errors.New("tenant and principal are required")
	case !s.Exchange.HasTenant(m.Tenant):
		return nil, errors.New("no such tenant")
	}
	u := s.Exchange.AddUser(m.Tenant, exchange.User{ObjectID: m.ObjectID, Principal: m.Principal, Mail: m.Mail,
		Aliases: m.Aliases, Name: m.Name, TimeZone: m.TimeZone, State: state})
	if err := s.Exchange.SetState(m.Tenant, u.ObjectID, state); err != nil {
		return nil, err
	}
	if state == exchange.Ready && m.Content != "" {
		if err := s.Exchange.Return(m.Tenant, u.ObjectID, m.Content); err != nil {
			return nil, err
		}
	}
	return map[string]string{"objectId": u.ObjectID}, nil
}

func (s *Server) setOutage(r *http.Request) (any, error) {
	body, err := read[struct {
		Graph string `json:"graph"`
	}](r)
	if err != nil {
		return nil, err
	}
	outage, ok := map[string]graphapi.Outage{"works": graphapi.Works, "unavailable": graphapi.Unavailable, "dead": graphapi.Dead}[body.Graph]
	if !ok {
		return nil, fmt.Errorf("no outage %q", body.Graph)
	}
	s.Graph.SetOutage(outage)
	return struct{}{}, nil
}

func (s *Server) clock() any {
	s.Clock.mu.Lock()
	ahead := s.Clock.ahead
	s.Clock.mu.Unlock()
	return map[string]string{"now": s.Clock.Now().UTC().Format(time.RFC3339Nano), "ahead": ahead.String()}
}

func (s *Server) setClock(r *http.Request) (any, error) {
	body, err := read[struct {
		Advance string `json:"advance"`
	}](r)
	if err != nil {
		return nil, err
	}
	d, err := time.ParseDuration(body.Advance)
	if err != nil {
		return nil, err
	}
	s.Clock.Advance(d)
	s.Graph.LandDue()
	return s.clock(), nil
}

func (s *Server) setLimits(r *http.Request) (any, error) {
	limits, err := read[graphapi.Limits](r)
	if err != nil {
		return nil, err
	}
	s.Graph.SetLimits(limits)
	return limits, nil
}
