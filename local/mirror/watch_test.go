package mirror

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/calbridge/calbridge/local/m365/twin"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// rules are what people have settled, at one moment.
type rules struct {
	org         organization.Organization
	connections map[string]connection.Connection
	held        map[string]bool // connections that wait for a decision
}

// rules reads them as they are now.
func (p *program) rules() rules {
	r := rules{org: *p.Org, connections: map[string]connection.Connection{}, held: map[string]bool{}}
	all, _, err := state.NewConnections(p.Tables).List(context.Background(), world.Organization, "", 100)
	p.must(err)
	for _, row := range all {
		if row.State != connection.Disconnected {
			r.connections[row.ID.String()] = row.Connection
		}
	}
	held, _, err := state.NewHeldRows(p.Tables).List(context.Background(), world.Organization, [16]byte{}, 100)
	p.must(err)
	for _, h := range held {
		r.held[h.Connection.String()] = h.Decision == ""
	}
	return r
}

// on reports whether anything of an organisation is read.
func (r rules) on() bool { return r.org.Module && r.org.Sync }

// privacy is how much may be told of a connection: "" nothing at all, not even that there
// is an appointment.
func (r rules) privacy(id string) string {
	c, ok := r.connections[id]
	switch {
	case !ok, !r.on(), !c.Reads(), r.org.DownSync.Privacy == "nothing":
		return ""
	case c.Scope == connection.Busy:
		return "busy"
	}
	return r.org.DownSync.Privacy
}

// lists reports whether a mailbox may be listed, by its address or object id.
func (r rules) lists(tenant, mailbox string) bool {
	for _, c := range r.connections {
		if r.on() && c.Reads() && (c.Writes() || r.org.DownSync.Privacy != "nothing") && c.Account.Tenant == tenant && (strings.EqualFold(c.Mailbox, mailbox) || strings.EqualFold(c.Account.ObjectID, mailbox)) {
			return true
		}
	}
	return false
}

// inForce are the rules as they are, and as they were when what runs began.
func (p *program) inForce() []rules {
	now := []rules{p.rules()}
	if len(p.running) > 0 {
		now = append(now, p.running[len(p.running)-1].was)
	}
	return now
}

// looked judges a request to Graph: what is only written to, or paused, is never listed (I4).
func (p *program) looked(v twin.Visit) {
	if v.Delta == nil && (!v.Subscribes || v.Subscription != "") {
		return
	}
	if !slices.ContainsFunc(p.inForce(), func(r rules) bool { return r.lists(v.Access.Tenant, v.Mailbox) }) {
		p.Errorf("I4: %s was listed, and none of its connections reads", v.Mailbox)
	}
}

// levels of privacy, least first.
func levels() []string { return []string{"", "busy", "title", "all"} }

// sent judges what is sent, at that moment: of appointments nothing that the rules keep
// back (A6), nothing while a person is to decide, and no more deletions than the brake
// allows (A2).
func (p *program) sent(entity string, messages []queue.Message) {
	if entity != queue.Changes {
		return
	}
	for _, m := range messages {
		if m.Properties["type"] == "calbridge.appointment.v1" {
			p.judge(m.Body)
		}
	}
}

func (p *program) judge(body []byte) {
	var e struct {
		Data struct {
			told
			Location, Organizer, Recurrence any
		}
	}
	p.must(json.Unmarshal(body, &e))
	a, most, waits := e.Data, 0, true
	for _, r := range p.inForce() {
		most = max(most, slices.Index(levels(), r.privacy(a.Connection)))
		waits = waits && r.held[a.Connection]
	}
	switch {
	case most == 0:
		p.Errorf("A6: told of a calendar of which nothing may be told: %s", body)
	case a.Title != nil && most < 2, (a.Body != nil || a.People != nil || a.Location != nil || a.Organizer != nil || a.Recurrence != nil) && most < 3:
		p.Errorf("A6: only %s may be told: %s", levels()[most], body)
	case waits:
		p.Errorf("A2: told while a person is to decide: %s", body)
	}
	if a.Change == "deleted" && len(p.running) > 0 {
		p.deleted(a.told)
	}
}

// deleted counts what one reading tells as deleted, a series once.
func (p *program) deleted(a told) {
	if !p.gone[a.ID] || p.Org.Brake.Percent > 0 || p.approved[a.Connection] {
		return
	}
	reading := a.Connection + " " + p.running[len(p.running)-1].chain
	if p.deletions[reading] == nil {
		p.deletions[reading] = map[string]bool{}
	}
	p.deletions[reading][series(a.ID)] = true
	if n := len(p.deletions[reading]); n > p.Org.Brake.Count {
		p.Errorf("A2: %d told as deleted at once, and nobody has approved", n)
	}
}

// series is the id of an appointment without its day.
func series(id string) string {
	if rest, ok := strings.CutPrefix(id, "OID."); ok {
		return rest[:strings.LastIndex(rest, ".")]
	}
	return id
}
