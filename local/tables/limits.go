package tables

import (
	"unicode/utf16"
	"unicode/utf8"

	"github.com/calbridge/calbridge/shared/state"
)

// The service's own limits, checked on what came over the wire. They are stated
// a second time on purpose: state.Check keeps our client from sending such
// things, this keeps a client that sends them from being answered kindly.

// checkChange judges one decoded change.
func checkChange(c *state.Change) error {
	for _, key := range []string{c.Entity.Partition, c.Entity.Row} {
		if err := checkKey(key); err != nil {
			return err
		}
	}
	if len(c.Entity.Props) > state.MaxProperties {
		return refuse("TooManyProperties")
	}
	for _, value := range c.Entity.Props {
		if sizeOf(value) > state.MaxProperty {
			return refuse("PropertyValueTooLarge")
		}
	}
	if state.Size(c.Entity.Partition, c.Entity.Row, c.Entity.Props) > state.MaxEntity {
		return refuse("EntityTooLarge")
	}
	return nil
}

func sizeOf(value any) int {
	switch v := value.(type) {
	case string:
		return 2 * units(v)
	case []byte:
		return len(v)
	}
	return 0
}

func checkKey(key string) error {
	if !utf8.ValidString(key) {
		return refuse("InvalidInput")
	}
	for _, r := range key {
		if r < 0x20 || r >= 0x7f && r <= 0x9f || r == '/' || r == '\\' || r == '#' || r == '?' {
			return refuse("OutOfRangeInput")
		}
	}
	if 2*units(key) > state.MaxKey {
		return refuse("KeyValueTooLarge")
	}
	return nil
}

func units(s string) int {
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

// checkTogether judges the changes of a transaction.
func checkTogether(changes []state.Change) error {
	if len(changes) > state.MaxChanges {
		r := refuse("InvalidInput").at(state.MaxChanges - 1)
		r.message = "The batch request operation exceeds the maximum 100 changes per change set."
		return r
	}
	rows := make(map[string]bool, len(changes))
	for i, c := range changes {
		if c.Entity.Partition != changes[0].Entity.Partition {
			return refuse("CommandsInBatchActOnDifferentPartitions").at(i)
		}
		if rows[c.Entity.Row] {
			return refuse("InvalidDuplicateRow").at(i)
		}
		rows[c.Entity.Row] = true
	}
	return nil
}
