package handlers

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/problem"
)

// Bounds of what a connection's documents may say, in characters.
const (
	maxUser      = 256
	maxAddress   = 320
	maxCalendars = connection.MaxCalendars
	maxCalendar  = 512 // an id of Graph's
)

// members reads a JSON object member by member and collects every fault.
type members struct {
	given  map[string]any
	faults []problem.Fault
}

func readMembers(body []byte, known ...string) *members {
	m := &members{}
	if err := json.Unmarshal(body, &m.given); err != nil || m.given == nil {
		m.fault("", "syntax", "The body must be one JSON object.")
		return m
	}
	m.faults = problem.Twice(body)
	for _, name := range slices.Sorted(maps.Keys(m.given)) {
		if !slices.Contains(known, name) {
			m.fault("/"+problem.Escape(name), "unknown-member", "There is no such member.")
		}
	}
	return m
}

func (m *members) fault(pointer, code, detail string) {
	m.faults = append(m.faults, problem.Fault{Pointer: pointer, Code: code, Detail: detail})
}

// text reads a string of at most limit characters; nil when it is not said.
func (m *members) text(name string, limit int) *string {
	v, said := m.given[name]
	if !said {
		return nil
	}
	text, ok := v.(string)
	switch {
	case !ok:
		m.fault("/"+name, "type", "This must be a string.")
	case utf8.RuneCountInString(text) > limit:
		m.fault("/"+name, "too-long", fmt.Sprintf("This must be at most %d characters.", limit))
	default:
		return &text
	}
	return nil
}

// required is text that must be there and not be empty.
func (m *members) required(name string, limit int) string {
	if v, said := m.given[name]; m.given != nil && (!said || v == "") {
		m.fault("/"+name, "required", "This must be there.")
		return ""
	}
	if text := m.text(name, limit); text != nil {
		return *text
	}
	return ""
}

// boolean reads true or false; nil when it is not said.
func (m *members) boolean(name string) *bool {
	v, said := m.given[name]
	if !said {
		return nil
	}
	yes, ok := v.(bool)
	if !ok {
		m.fault("/"+name, "type", "This must be true or false.")
		return nil
	}
	return &yes
}

func (m *members) direction() *connection.Direction {
	text := m.text("direction", maxUser)
	if text == nil {
		return nil
	}
	d := connection.Direction(*text)
	if !d.Valid() {
		m.fault("/direction", "value", "This must be down, up, both or none.")
	}
	return &d
}

func (m *members) scope() *connection.Scope {
	text := m.text("scope", maxUser)
	if text == nil {
		return nil
	}
	s := connection.Scope(*text)
	if !s.Valid() {
		m.fault("/scope", "value", "This must be busy, details, shared or readwrite.")
	}
	return &s
}

// calendars reads [{"id","name"}].
func (m *members) calendars() *[]connection.Calendar {
	v, said := m.given["calendars"]
	if !said {
		return nil
	}
	list, ok := v.([]any)
	switch {
	case !ok:
		m.fault("/calendars", "type", "This must be a list of calendars.")
		return nil
	case len(list) > maxCalendars:
		m.fault("/calendars", "too-many", fmt.Sprintf("These may be at most %d calendars.", maxCalendars))
		return nil
	}
	out := make([]connection.Calendar, len(list))
	for i, v := range list {
		one, ok := v.(map[string]any)
		pointer := fmt.Sprintf("/calendars/%d", i)
		if !ok {
			m.fault(pointer, "type", "This must be an object with id and name.")
			continue
		}
		inner := &members{given: one}
		for _, name := range slices.Sorted(maps.Keys(one)) {
			if name != "id" && name != "name" {
				inner.fault("/"+problem.Escape(name), "unknown-member", "There is no such member.")
			}
		}
		out[i].ID = inner.required("id", maxCalendar)
		if name := inner.text("name", maxUser); name != nil {
			out[i].Name = *name
		}
		if slices.ContainsFunc(out[:i], func(c connection.Calendar) bool { return c.ID == out[i].ID && c.ID != "" }) {
			inner.fault("/id", "duplicate", "The calendar is in the list twice.")
		}
		for _, f := range inner.faults {
			m.fault(pointer+f.Pointer, f.Code, f.Detail)
		}
	}
	return &out
}

// probe is a connection to be made without a sign-in.
type probe struct {
	user, email string
	direction   connection.Direction
}

// decodeProbe reads {"user","email","direction"}; all must be there.
func decodeProbe(body []byte) (probe, []problem.Fault) {
	m := readMembers(body, "user", "email", "direction")
	p := probe{user: m.required("user", maxUser), email: m.required("email", maxAddress)}
	if m.required("direction", maxUser) != "" {
		if d := m.direction(); d != nil {
			p.direction = *d
		}
	}
	return p, m.faults
}

// decodeConnectionChange reads what is to change of a connection; at least one member.
func decodeConnectionChange(body []byte) (engine.ConnectionChange, []problem.Fault) {
	m := readMembers(body, "direction", "scope", "calendars", "calendar", "primary")
	change := engine.ConnectionChange{Direction: m.direction(), Scope: m.scope(), Calendars: m.calendars(),
		Calendar: m.text("calendar", maxCalendar), Primary: m.boolean("primary")}
	if m.given != nil && len(m.given) == 0 {
		m.fault("", "required", "Say what is to change: direction, scope, calendars, calendar or primary.")
	}
	return change, m.faults
}

// choice is what a person chose, told by the booking app.
type choice struct {
	user string
	// dismissed says that the offer is not wanted, or wanted again; nil is not said.
	dismissed *bool
	engine.Choice
}

// decodeChoice reads {"user","offer","optedOut","paused"}: user, and at least one more.
func decodeChoice(body []byte) (choice, []problem.Fault) {
	m := readMembers(body, "user", "offer", "optedOut", "paused")
	c := choice{user: m.required("user", maxUser), Choice: engine.Choice{OptedOut: m.boolean("optedOut"), Paused: m.boolean("paused")}}
	if text := m.text("offer", maxUser); text != nil {
		dismissed := *text == "dismissed"
		if c.dismissed = &dismissed; !dismissed && *text != "open" {
			m.fault("/offer", "value", "This must be dismissed or open.")
		}
	}
	if m.given != nil && len(m.faults) == 0 && c.dismissed == nil && c.OptedOut == nil && c.Paused == nil {
		m.fault("", "required", "Say what was chosen: offer, optedOut or paused.")
	}
	return c, m.faults
}
