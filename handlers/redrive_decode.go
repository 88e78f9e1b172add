package handlers

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/problem"
)

const (
	// defaultRedrive is how many messages are sent back where max is absent.
	defaultRedrive = 100
	// maxFreeID bounds ids of bookings and users, in characters (design.md, Limits).
	maxFreeID = 256
)

// redriveKinds say which members go with a kind, beside kind itself: true for
// those that it requires.
func redriveKinds() map[string]map[string]bool {
	return map[string]map[string]bool{
		engine.RedriveRejected:    {"organization": false, "max": false},
		engine.RedriveDeadLetters: {"queue": false, "max": false},
		engine.RedriveBooking:     {"organization": true, "id": true},
		engine.RedrivePerson:      {"organization": true, "user": true},
		engine.RedriveRecover:     {"organization": true},
	}
}

// redriveReader reads {"kind","queue","organization","id","user","max"}. A member
// that is null is absent.
type redriveReader struct {
	members map[string]json.RawMessage
	faults  []problem.Fault
}

// decodeRedrive reads an order, or everything that is wrong with it. Members that
// the kind does not use are refused: who wrote them expects them to narrow it.
func decodeRedrive(body []byte) (engine.Redrive, []problem.Fault) {
	r := &redriveReader{}
	if err := json.Unmarshal(body, &r.members); err != nil || r.members == nil {
		r.fault("", "syntax", "The body must be one JSON object.")
		return engine.Redrive{}, r.faults
	}
	r.faults = problem.Twice(body)
	maps.DeleteFunc(r.members, func(_ string, raw json.RawMessage) bool { return string(raw) == "null" })
	order := engine.Redrive{Max: defaultRedrive}
	r.oneOf("kind", &order.Kind, slices.Sorted(maps.Keys(redriveKinds())))
	r.oneOf("queue", &order.Queue, engine.DeadLetterQueues())
	if r.text("organization", &order.Organization) && !organization.ValidID(order.Organization) {
		r.fault("/organization", "format", "This must be the id of an organisation.")
	}
	r.freeID("id", &order.ID)
	r.freeID("user", &order.User)
	r.count("max", &order.Max)
	r.fit(order.Kind)
	return order, r.faults
}

func (r *redriveReader) fault(pointer, code, detail string) {
	r.faults = append(r.faults, problem.Fault{Pointer: pointer, Code: code, Detail: detail})
}

// text reads a string; false when it is absent or none, which is told.
func (r *redriveReader) text(name string, to *string) bool {
	raw, ok := r.members[name]
	if !ok {
		return false
	}
	if json.Unmarshal(raw, to) != nil {
		r.fault("/"+name, "type", "This must be a string.")
		return false
	}
	return true
}

func (r *redriveReader) oneOf(name string, to *string, allowed []string) {
	if r.text(name, to) && !slices.Contains(allowed, *to) {
		r.fault("/"+name, "value", "This must be one of "+strings.Join(allowed, ", ")+".")
	}
}

func (r *redriveReader) freeID(name string, to *string) {
	if !r.text(name, to) {
		return
	}
	if n := utf8.RuneCountInString(*to); n < 1 || n > maxFreeID {
		r.fault("/"+name, "range", fmt.Sprintf("This must have 1 to %d characters.", maxFreeID))
	}
}

func (r *redriveReader) count(name string, to *int) {
	raw, ok := r.members[name]
	switch {
	case !ok:
	case json.Unmarshal(raw, to) != nil:
		r.fault("/"+name, "type", "This must be a whole number.")
	case *to < 1 || *to > engine.MaxRedrive:
		r.fault("/"+name, "range", fmt.Sprintf("This must be 1 to %d.", engine.MaxRedrive))
	}
}

// fit tells which members are missing, do not go with the kind, or are unknown.
func (r *redriveReader) fit(kind string) {
	wanted, known := redriveKinds()[kind]
	if _, ok := r.members["kind"]; !ok {
		r.fault("/kind", "required", "This must say what to do again.")
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if _, ok := r.members[name]; !ok && wanted[name] {
			r.fault("/"+name, "required", "The kind "+kind+" needs this.")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.members)) {
		_, fits := wanted[name]
		switch {
		case !slices.Contains([]string{"kind", "queue", "organization", "id", "user", "max"}, name):
			r.fault("/"+problem.Escape(name), "unknown-member", "There is no such member.")
		case known && !fits && name != "kind":
			r.fault("/"+name, "mismatch", "This does not go with the kind "+kind+".")
		}
	}
}
