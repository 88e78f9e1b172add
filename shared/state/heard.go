package state

import "time"

// Heard is what people did to a delivery's event, as far as something follows from it.
type Heard struct {
	// Count is how many changes were told of; it names the next one.
	Count int  `json:"count,omitempty"`
	Mend  Mend `json:"mend,omitzero"`
	// Mends are those ordered in the last hour, oldest first.
	Mends []Mended `json:"mends,omitempty"`
	// Alerted is when it was last told that somebody fights for the event.
	Alerted time.Time `json:"alerted,omitzero"`
}

// Mend is an order to the lane about an event that somebody changed. Whoever carries it
// out ends it only if it is still the one that was read.
type Mend struct {
	ID string `json:"id,omitempty"` // random; "" is no order
	// Gone says that the event was not there any more: the calendar is to be asked.
	Gone bool `json:"gone,omitempty"`
	// Restore says that it is then to be made again, whoever has deleted it.
	Restore bool `json:"restore,omitempty"`
	// Fields are to be written again (event.Fields), by revisions above After.
	Fields uint16 `json:"fields,omitempty"`
	After  int64  `json:"after,omitempty"`
}

// Mended is what was ordered to be written again, and when.
type Mended struct {
	At     time.Time `json:"at"`
	Fields uint16    `json:"fields"`
}
