package graph

import (
	"encoding/base64"
	"strings"
)

// SameVersion reports whether two change keys or ETags mean the same version of
// an event. Graph writes them in two widths: 22 bytes on single events, 30 bytes
// with an 8-byte header in delta and notifications (graph/contract.md 2.6). What
// cannot be decoded is compared as it stands; an empty one equals nothing.
func SameVersion(a, b string) bool {
	return a != "" && b != "" && bareVersion(a) == bareVersion(b)
}

func bareVersion(s string) string {
	s = strings.TrimPrefix(s, "W/")
	s = strings.Trim(s, `"`)
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return s
	}
	if len(raw) == 30 {
		raw = raw[8:]
	}
	return string(raw)
}

// Version is a change key or ETag in the one form that all of the same version share;
// what cannot be decoded stays as it is.
func Version(s string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(bareVersion(s)))
}
