package graphapi

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

// Kind is what a path names.
type Kind int

// The kinds of path.
const (
	People        Kind = iota // users
	Person                    // a user
	Organizations             // organization, whole or one
	Calendars                 // the list of calendars
	OneCalendar               // one calendar
	Events                    // a collection of events
	OneEvent                  // one event
	View                      // calendarView
	Permanent                 // permanentDelete of one event
	Instances                 // the occurrences of a series
	Delta                     // calendarView/delta
	Subscriptions             // subscriptions, whole, one, or its reauthorize
	Elsewhere                 // a part of Graph that the simulator leaves out
)

// inMailbox tells the kinds that are answered from a mailbox.
func (k Kind) inMailbox() bool { return k >= Calendars && k <= Delta }

// Route is a path below /v1.0, taken apart.
type Route struct {
	Kind Kind
	Me   bool
	User string // object id or address, decoded
	// Calendar is a calendar's id; Default says that the path names the default one
	// without an id.
	Calendar string
	Default  bool
	Event    string
	// Subscription is a subscription's id, Reauthorize that action of it.
	Subscription string
	Reauthorize  bool
}

// ParsePath reads an escaped path below /v1.0, in any of the spellings of
// section 1. It fails with a 400 for a path that Graph does not have.
func ParsePath(escaped string) (Route, error) {
	segments, err := split(escaped)
	if err != nil {
		return Route{}, err
	}
	p := &pathParser{rest: segments}
	if err := p.root(); err != nil {
		return Route{}, err
	}
	if len(p.rest) > 0 {
		return Route{}, unknownSegment(p.rest[0])
	}
	return p.route, nil
}

func unknownSegment(name string) error {
	return &exchange.Error{Status: http.StatusBadRequest, Code: "BadRequest",
		Message: fmt.Sprintf("Resource not found for the segment '%s'.", clip(name))}
}

// clip keeps what an error message quotes short.
func clip(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "")
	}
	return s
}

// split decodes the segments of a path; name('key') becomes two.
func split(escaped string) ([]string, error) {
	escaped = strings.Trim(escaped, "/")
	var segments []string
	for part := range strings.SplitSeq(escaped, "/") {
		decoded, err := url.PathUnescape(part)
		if err != nil || decoded == "" || strings.ContainsAny(decoded, "\x00") {
			return nil, &exchange.Error{Status: http.StatusBadRequest, Code: "RequestBroker--ParseUri", Message: "The path can't be read."}
		}
		name, key, keyed := strings.Cut(decoded, "('")
		if key, closed := strings.CutSuffix(key, "')"); keyed && closed && name != "" {
			segments = append(segments, name, strings.ReplaceAll(key, "''", "'"))
			continue
		}
		segments = append(segments, decoded)
	}
	return segments, nil
}

type pathParser struct {
	rest  []string
	route Route
}

// next takes the next segment; "" at the end.
func (p *pathParser) next() string {
	if len(p.rest) == 0 {
		return ""
	}
	s := p.rest[0]
	p.rest = p.rest[1:]
	return s
}

// word takes the next segment in lower case, without the namespace and the
// parentheses that functions may carry.
func (p *pathParser) word() string {
	s := strings.ToLower(p.next())
	return strings.TrimSuffix(strings.TrimPrefix(s, "microsoft.graph."), "()")
}

// ends sets the kind if the path ends here.
func (p *pathParser) ends(kind Kind) bool {
	if len(p.rest) > 0 {
		return false
	}
	p.route.Kind = kind
	return true
}

// elsewhere accepts whatever follows.
func (p *pathParser) elsewhere() error {
	p.rest, p.route.Kind = nil, Elsewhere
	return nil
}

func (p *pathParser) root() error {
	first := p.next()
	switch strings.ToLower(first) {
	case "me":
		p.route.Me = true
	case "users":
		if p.ends(People) {
			return nil
		}
		p.route.User = p.next()
	case "organization":
		p.rest, p.route.Kind = nil, Organizations
		return nil
	case "subscriptions":
		return p.subscription()
	case "places", "groups":
		return p.elsewhere()
	default:
		return unknownSegment(first)
	}
	if p.ends(Person) {
		return nil
	}
	return p.user()
}

// subscription reads what follows subscriptions.
func (p *pathParser) subscription() error {
	p.route.Kind = Subscriptions
	p.route.Subscription = p.next()
	if len(p.rest) == 0 {
		return nil
	}
	if raw := p.rest[0]; p.word() != "reauthorize" {
		return unknownSegment(raw)
	}
	p.route.Reauthorize = true
	return nil
}

func (p *pathParser) user() error {
	raw := p.rest[0]
	switch p.word() {
	case "calendar":
		p.route.Default = true
		return p.calendar()
	case "calendars":
		return p.calendars()
	case "calendargroups":
		if len(p.rest) < 2 {
			return p.elsewhere()
		}
		p.next()
		if second := p.rest[0]; p.word() != "calendars" {
			return unknownSegment(second)
		}
		return p.calendars()
	case "events":
		return p.events()
	case "calendarview":
		return p.view()
	case "outlook", "mailboxsettings", "sendmail", "messages", "translateexchangeids", "findmeetingtimes", "reminderview", "manager", "photo":
		return p.elsewhere()
	}
	return unknownSegment(raw)
}

func (p *pathParser) calendars() error {
	if p.ends(Calendars) {
		return nil
	}
	p.route.Calendar = p.next()
	return p.calendar()
}

func (p *pathParser) calendar() error {
	if p.ends(OneCalendar) {
		return nil
	}
	raw := p.rest[0]
	switch p.word() {
	case "events":
		return p.events()
	case "calendarview":
		return p.view()
	case "getschedule", "calendarpermissions", "allowedcalendarsharingroles":
		return p.elsewhere()
	}
	return unknownSegment(raw)
}

func (p *pathParser) view() error {
	if p.ends(View) {
		return nil
	}
	raw := p.rest[0]
	if p.word() == "delta" && p.ends(Delta) {
		return nil
	}
	return unknownSegment(raw)
}

func (p *pathParser) events() error {
	if p.ends(Events) {
		return nil
	}
	if strings.EqualFold(strings.TrimSuffix(strings.TrimPrefix(p.rest[0], "microsoft.graph."), "()"), "delta") {
		return p.elsewhere()
	}
	p.route.Event = p.next()
	if p.ends(OneEvent) {
		return nil
	}
	if len(p.rest) == 1 && strings.EqualFold(strings.TrimPrefix(p.rest[0], "microsoft.graph."), "permanentDelete") {
		p.rest = nil
		p.route.Kind = Permanent
		return nil
	}
	if len(p.rest) == 1 && strings.EqualFold(p.rest[0], "instances") {
		p.rest = nil
		p.route.Kind = Instances
		return nil
	}
	return p.below("instances", "attachments", "extensions", "cancel", "accept", "decline", "tentativelyaccept",
		"forward", "snoozereminder", "dismissreminder", "calendar", "exceptionoccurrences",
		"singlevalueextendedproperties", "multivalueextendedproperties")
}

// below leaves a path out if Graph has it.
func (p *pathParser) below(names ...string) error {
	raw := p.rest[0]
	word := p.word()
	for _, name := range names {
		if word == name {
			return p.elsewhere()
		}
	}
	return unknownSegment(raw)
}
