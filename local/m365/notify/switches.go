package notify

import "time"

// Switches decide what the contract marks as unknown, or as seen now and then (6.1 to
// 6.6). The zero value is the contract's working assumption, at zero latency.
type Switches struct {
	// LatencyMS is how long after a change its notification is due, in milliseconds of
	// the clock. Documented are a minute on average and three at most.
	LatencyMS int `json:"latencyMs"`
	// Storm is how many updated ones come with every created and updated one.
	Storm int `json:"storm"`
	// Casing of resources: Users/{id}/Events/{id} where empty, "lower" for
	// users/{id}@{tenant}/events/{id}, "keys" for Users('{id}')/Events('{id}').
	Casing string `json:"casing"`
	// WithIDs gives each notification an id of its own.
	WithIDs bool `json:"withIds"`
	// Batch is how many notifications one POST has at most; 20 when 0.
	Batch int `json:"batch"`
	// ReadOnly makes a subscription take a permission to read; else one to write is
	// enough too, against the documentation's warning (6.2).
	ReadOnly bool `json:"readOnly"`
	// NoCalendars refuses a subscription to one calendar, which is not documented.
	NoCalendars bool `json:"noCalendars"`
	// ClipLong shortens what would last too long instead of refusing it.
	ClipLong bool `json:"clipLong"`
	// DuplicateCode is the code of 409: ObjectIdentifierInUse where empty, "none" for none.
	DuplicateCode string `json:"duplicateCode"`
	// ValidationCode is the code of a failed handshake, ValidationError where empty, and
	// NameStatus lets its message name the status (6.3).
	ValidationCode string `json:"validationCode"`
	NameStatus     bool   `json:"nameStatus"`
	// AuthorisedMS is how long the token of a subscription lasts after it was made,
	// renewed or authorised again, in milliseconds of the clock; 0 for ever. Documented
	// is about an hour.
	AuthorisedMS int `json:"authorisedMs"`
	// NoReminders sends no reauthorizationRequired by itself, NoMissed no missed.
	NoReminders bool `json:"noReminders"`
	NoMissed    bool `json:"noMissed"`
	// SlowAfter is how many answers an address has given in ten minutes before it can be
	// slow or dropping; 10 when 0.
	SlowAfter int `json:"slowAfter"`
	// ByHand keeps Run from delivering, so that a test decides when.
	ByHand bool `json:"byHand"`
}

func (s Switches) latency() time.Duration { return time.Duration(s.LatencyMS) * time.Millisecond }

func (s Switches) batch() int {
	if s.Batch > 0 {
		return s.Batch
	}
	return 20
}

// authorised is until when a token lasts; zero for ever.
func (s Switches) authorised(now time.Time) time.Time {
	if s.AuthorisedMS <= 0 {
		return time.Time{}
	}
	return now.Add(time.Duration(s.AuthorisedMS) * time.Millisecond)
}

// Set changes the switches, from the next change or call on.
func (h *Hub) Set(s Switches) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.switches = s
	h.Poke()
}

// Switches returns those in force.
func (h *Hub) Switches() Switches {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.switches
}
