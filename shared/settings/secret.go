package settings

import (
	"fmt"
	"io"
	"log/slog"
)

// hidden is what every printed secret looks like.
const hidden = "[secret]"

// Secret is a text that must not be printed.
type Secret struct{ text string }

// Reveal returns the text.
func (s Secret) Reveal() string { return s.text }

// IsZero reports whether there is none.
func (s Secret) IsZero() bool { return s.text == "" }

// Format hides the text from every verb of fmt, %#v and %x included.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, hidden) }

// String hides the text.
func (s Secret) String() string { return hidden }

// GoString hides the text.
func (s Secret) GoString() string { return hidden }

// LogValue hides the text from log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText hides the text from encoding/json and the like, also as a key of a map.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// MarshalJSON hides the text from encoding/json.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }
