package mirror

import (
	"context"
	"fmt"
	"strings"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
)

// shelf notes the rows that were ever written, so that all that is left can be looked through.
type shelf struct {
	state.Tables
	written map[[3]string]bool // table, partition, row
}

func (s *shelf) Apply(ctx context.Context, table string, changes []state.Change) ([]string, error) {
	for _, c := range changes {
		s.written[[3]string{table, c.Entity.Partition, c.Entity.Row}] = true
	}
	return s.Tables.Apply(ctx, table, changes)
}

// rows are all that is stored, as text: what is packed is unpacked.
func (s *shelf) rows() map[string]string {
	out := map[string]string{}
	for at := range s.written {
		e, err := s.Get(context.Background(), at[0], at[1], at[2])
		if err != nil {
			continue
		}
		text := ""
		for name, value := range e.Props {
			if b, ok := value.([]byte); ok {
				value = string(b)
			}
			text += fmt.Sprintln(name, value)
		}
		if doc, err := state.Unpack(e.Props); err == nil {
			text += string(doc)
		}
		out[strings.Join(at[:], " ")] = text
	}
	return out
}

// checkLeft: nothing that people wrote is stored beyond what the rules allow (A6), and of
// connections that were ended nothing at all.
func (s *story) checkLeft() {
	now := s.rules()
	for at, text := range s.shelf.rows() {
		if strings.Contains(text, "Owner's ") {
			s.Errorf("A6: what somebody wrote is stored: %s: %s", at, text)
		}
		if strings.HasPrefix(at, "appointments ") && now.org.DownSync.Privacy == "nothing" {
			s.Errorf("A6: nothing may be told, and what was is stored: %s: %s", at, text)
		}
		for id, calendars := range s.ended {
			if _, back := now.connections[id.String()]; !back && remains(at, text, id, calendars) {
				s.Errorf("something is left of a connection that was ended: %s: %s", at, text)
			}
		}
	}
}

// remains reports whether a row tells of a connection's calendars. That they had a turn is
// forgotten when it comes.
func remains(at, text string, id key.Key, calendars []string) bool {
	table, rest, _ := strings.Cut(at, " ")
	if table == "cursors" && strings.Contains(rest, id.String()) {
		return true
	}
	for _, c := range append(calendars, "") {
		if strings.HasPrefix(rest, state.CalendarKey(id, c).String()) {
			return true
		}
	}
	return false
}
