package booking

import (
	"fmt"
	"slices"
	"strings"

	"github.com/calbridge/calbridge/shared/problem"
)

// Fault is one thing wrong with a message.
type Fault = problem.Fault

// Codes of faults.
const (
	CodeSyntax    = "syntax"           // not JSON
	CodeEncoding  = "encoding"         // not UTF-8
	CodeDuplicate = "duplicate-member" // a member is there twice
	CodeTooDeep   = "too-deep"         // more than 32 levels
	CodeTooLarge  = "too-large"        // more bytes than the limit
	CodeRequired  = "required"         // a member is missing
	CodeType      = "type"             // another JSON type is wanted
	CodeValue     = "value"            // not one of the listed values
	CodeFormat    = "format"           // text that does not have the wanted form
	CodeTooLong   = "too-long"         // more characters than the limit
	CodeTooMany   = "too-many"         // more items than the limit
	CodeRange     = "range"            // a number or time outside the limits
	CodeMismatch  = "mismatch"         // two places that must agree do not
	CodeZone      = "unknown-zone"     // a time zone nobody knows
	CodeDate      = "no-such-time"     // 30 February
	CodeOrder     = "end-before-start"
	CodeAllDay    = "all-day" // not whole days of one zone
	CodeUnknown   = "unknown" // an organisation that is not there; found by the engine
)

// Invalid is the error of a message that cannot be used; it names no value of it.
type Invalid struct {
	Faults []Fault // at least one, at most MaxFaults, in the order of their pointers
	// Organization and ID are those of the message as far as they could be read and
	// are well-formed, else "".
	Organization, ID string
}

// MaxFaults is how many faults are listed; of more, the last entry says so.
const MaxFaults = 100

func (e *Invalid) Error() string {
	parts := make([]string, 0, len(e.Faults))
	for _, f := range e.Faults {
		parts = append(parts, fmt.Sprintf("%s: %s", f.Pointer, f.Code))
	}
	return "booking: " + strings.Join(parts, ", ")
}

// TooLarge reports whether the event as a whole is over MaxEvent (413, not 400).
func (e *Invalid) TooLarge() bool {
	return slices.ContainsFunc(e.Faults, func(f Fault) bool { return f.Pointer == "" && f.Code == CodeTooLarge })
}

// faults collects what is wrong.
type faults struct {
	list []Fault
	seen map[string]bool // pointers in list
}

func (fs *faults) add(pointer, code, format string, args ...any) {
	if fs.seen == nil {
		fs.seen = map[string]bool{}
	}
	fs.seen[pointer] = true
	fs.list = append(fs.list, Fault{Pointer: pointer, Code: code, Detail: fmt.Sprintf(format, args...)})
}

// at reports whether something is already known to be wrong at the pointer, so
// that nothing is complained of twice.
func (fs *faults) at(pointer string) bool { return fs.seen[pointer] }

// invalid is the error for the faults found, nil for none.
func (fs *faults) invalid(organization, id string) error {
	if len(fs.list) == 0 {
		return nil
	}
	list := fs.list
	slices.SortStableFunc(list, func(a, b Fault) int { return strings.Compare(a.Pointer, b.Pointer) })
	if len(list) > MaxFaults {
		list = append(list[:MaxFaults-1:MaxFaults-1], Fault{Code: CodeTooMany, Detail: fmt.Sprintf("%d more faults are not listed", len(list)-MaxFaults+1)})
	}
	return &Invalid{Faults: list, Organization: organization, ID: id}
}

// escape makes one step of a JSON pointer (RFC 6901).
func escape(member string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(member)
}
