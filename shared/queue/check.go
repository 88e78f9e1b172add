package queue

import "fmt"

// MaxID is the longest message or session id, in characters.
const MaxID = 128

// Check tells whether the bus could take the message at all: every sender calls
// it before anything is sent. An id over MaxID is ErrTooLarge; a property of a
// type that Message does not name is an error of the program.
func (m *Message) Check() error {
	if len(m.ID) > MaxID || len(m.SessionID) > MaxID {
		return fmt.Errorf("message or session id over %d characters: %w", MaxID, ErrTooLarge)
	}
	for name, value := range m.Properties {
		switch value.(type) {
		case string, int64, bool, float64:
		default:
			return fmt.Errorf("property %s is a %T, not one of string, int64, bool, float64", name, value)
		}
	}
	return nil
}
