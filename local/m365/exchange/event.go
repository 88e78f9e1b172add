package exchange

import "time"

// Event is one stored event, as of the moment it was read. Its slices and
// pointers are shared with the store and must not be changed.
type Event struct {
	ID        string // immutable
	MutableID string
	Calendar  string // id of the calendar it is in
	ChangeKey string // base64 of 22 bytes
	ICalUID   string
	Created   time.Time // UTC
	Modified  time.Time // UTC
	// TransactionID is "" where the create carried none.
	TransactionID string
	// Sequence is that of the calendar file it was last imported from, else 0.
	Sequence int

	Subject    string
	Body       string // a whole HTML document
	Start, End Time   // as given; End is exclusive
	From, To   time.Time
	AllDay     bool
	// StartZone and EndZone are originalStartTimeZone and originalEndTimeZone.
	StartZone, EndZone string

	Locations   []Location
	Attendees   []Attendee
	Categories  []string
	Properties  []Property
	Recurrence  *Recurrence
	ShowAs      string
	Sensitivity string
	Importance  string

	ReminderOn      bool
	ReminderMinutes int

	Draft                 bool
	Cancelled             bool
	HideAttendees         bool
	ResponseRequested     bool
	AllowNewTimeProposals bool
	OnlineMeeting         bool
	OnlineMeetingProvider string
	JoinURL               string // of an online meeting whose link is in the body
	Organizer             Address
	// Response is the owner's answer to a meeting of somebody else's: notResponded,
	// accepted, tentativelyAccepted or declined; "" where the owner is the organiser.
	Response  string
	Responded time.Time // UTC; zero before an answer

	// Series and SeriesMutable are the ids of the series that an occurrence is of,
	// Original is when the rule lets it start, in UTC; empty for anything else.
	Series, SeriesMutable string
	Original              time.Time

	// Indexed reports whether a search by extended property finds it already.
	Indexed bool

	number    uint32 // order of creation
	indexedAt time.Time
	offline   bool      // an online meeting whose link was taken out
	day       time.Time // of an occurrence, midnight UTC of its date in the rule
	// changed are a series' exceptions and left the days without occurrence, by date,
	// with the SEQUENCE that took it out, -1 for none; neither map is ever changed. An
	// occurrence has those of its series.
	changed map[string]*Event
	left    map[string]int
}

// Property returns the value of an extended property whose id is the same as
// id, in the sense of 2.8.
func (e *Event) Property(id PropertyID) (string, bool) {
	for _, p := range e.Properties {
		if p.ID.Same(id) {
			return p.Value, true
		}
	}
	return "", false
}

// Meeting reports whether others are invited.
func (e *Event) Meeting() bool { return len(e.Attendees) > 0 }

// Time is Graph's dateTimeTimeZone: a wall clock reading and the name of a zone.
type Time struct{ DateTime, Zone string }

// Location is Graph's location, as far as it is kept.
type Location struct {
	Name, Type, Email, URI string
	Street, City, State    string
	Country, PostalCode    string
	// UniqueID and UniqueIDType as the client gave them; "" lets the service choose.
	UniqueID, UniqueIDType string
	// Placed says that Latitude and Longitude mean something.
	Placed              bool
	Latitude, Longitude float64
}

// Address is a name and an e-mail address.
type Address struct{ Name, Address string }

// Attendee is someone who is invited.
type Attendee struct {
	Address
	Type string // required, optional, resource
}

// Change is the content of a create or update: what is nil stays as it is, or
// takes the default. A value that Graph's null would clear is given as zero.
type Change struct {
	Subject     *string
	Body        *Body
	Start, End  *Time
	AllDay      *bool
	Locations   *[]Location
	Attendees   *[]Attendee
	Categories  *[]string
	Properties  []Property // set or replaced one by one
	Recurrence  **Recurrence
	ShowAs      *string
	Sensitivity *string
	Importance  *string

	ReminderOn      *bool
	ReminderMinutes *int

	Draft                 *bool
	HideAttendees         *bool
	ResponseRequested     *bool
	AllowNewTimeProposals *bool
	OnlineMeeting         *bool
	OnlineMeetingProvider *string

	TransactionID string // of a create only
}

// Body is Graph's itemBody.
type Body struct {
	Text    bool // contentType text rather than html
	Content string
}

// Recurrence is Graph's patternedRecurrence.
type Recurrence struct {
	Pattern Pattern
	Range   Range
}

// Pattern is Graph's recurrencePattern.
type Pattern struct {
	Type                        string
	Interval, Month, DayOfMonth int
	DaysOfWeek                  []string
	FirstDayOfWeek, Index       string
}

// Range is Graph's recurrenceRange; the dates are yyyy-MM-dd.
type Range struct {
	Type, StartDate, EndDate, Zone string
	Count                          int
}
