// Package problem is the vocabulary of what is wrong with an input.
//
// A [Fault] is one thing wrong at one place. The same faults appear in problem
// documents (RFC 9457, member errors), in the property faults of
// bookings-rejected and in calbridge.rejected.v1 (wire.md).
package problem

import "strings"

// Fault is one thing that is wrong with a document.
type Fault struct {
	// Pointer is the place as a JSON pointer (RFC 6901), "" for the whole document.
	Pointer string `json:"pointer"`
	// Code is short, stable and made for programs, e.g. "required".
	Code string `json:"code"`
	// Detail is a sentence for people. It holds no value from the document that
	// could be personal.
	Detail string `json:"detail"`
}

// Escape makes one step of a JSON pointer out of a member's name (RFC 6901
// section 3).
func Escape(member string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(member)
}
