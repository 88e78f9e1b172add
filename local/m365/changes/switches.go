package changes

import "time"

// Switches decide what the contract marks as unknown (4.3 to 4.6), and spoil rounds in
// the ways that were seen. The zero value is the contract's working assumption.
type Switches struct {
	// AcceptSelect lets $select through, as a production project has it; else it is
	// refused, as documented.
	AcceptSelect bool `json:"acceptSelect"`
	// NeedsRead makes delta take Calendars.Read; else ReadBasic is enough (section 12).
	NeedsRead bool `json:"needsRead"`
	// EmptyFirst lets the first page of every round be empty, with a link onwards.
	EmptyFirst bool `json:"emptyFirst"`
	// Duplicates tells everything in a round twice.
	Duplicates bool `json:"duplicates"`
	// Replays tells what changed in a round in the next one again.
	Replays bool `json:"replays"`
	// Loop lets no round end: the last page leads to the first one, under a new token.
	Loop bool `json:"loop"`
	// Shuffle tells a round in any order, the same one for the same generation.
	Shuffle bool `json:"shuffle"`
	// QuietOutside does not tell of events outside of the window that nobody has seen;
	// else they are removed ones.
	QuietOutside bool `json:"quietOutside"`
	// ListOccurrences tells each occurrence of a deleted series as a removed one too.
	ListOccurrences bool `json:"listOccurrences"`
	// LagMS is how long a change is not told yet, in milliseconds of the clock.
	LagMS int `json:"lagMs"`
	// LifeMS is how long a link lasts, in milliseconds of the clock; 0 as long as its
	// generation.
	LifeMS int `json:"lifeMs"`
	// ExpiredCode and ExpiredStatus are the other spellings of an expired link:
	// SyncStateNotFound and 410 where empty.
	ExpiredCode   string `json:"expiredCode"`
	ExpiredStatus int    `json:"expiredStatus"`
	// Location lets that answer have a Location header with an empty $deltatoken.
	Location bool `json:"location"`
	// Stray lets every link lead elsewhere: StrayMailbox into another mailbox of the
	// tenant, StrayCalendar into another calendar. Else it leads where it should.
	Stray string `json:"stray"`
}

// Where links can lead that lead elsewhere.
const (
	StrayMailbox  = "mailbox"
	StrayCalendar = "calendar"
)

func (s Switches) lag() time.Duration { return time.Duration(s.LagMS) * time.Millisecond }

// outlived reports whether a link's life is over.
func (s Switches) outlived(since, now time.Time) bool {
	return s.LifeMS > 0 && now.Sub(since) > time.Duration(s.LifeMS)*time.Millisecond
}

// Set changes the switches, from the next call on.
func (t *Tracker) Set(s Switches) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.switches = s
}

// Switches returns those in force.
func (t *Tracker) Switches() Switches {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.switches
}
