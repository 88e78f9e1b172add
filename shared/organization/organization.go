// Package organization holds the model of an organisation: one customer of the
// operator, with its settings and with what is known of its consent.
//
// It is pure: no clock, no network, no storage.
//
// # Settings
//
// An integrator PUTs a document (wire.md, Organisation) in which everything but
// profile may be absent; a member that is absent or null takes the default of
// the profile. [Decode] checks the whole document and reports every fault at
// once. An [Organization] always holds effective values: there is no second
// form in which a value may be missing. What was given is kept in
// Organization.Document, so that a default that changes with a later build
// reaches the organisations that never chose.
//
// Unknown members are refused, unlike in bookings: PUT replaces, and a setting
// with a misspelt name would silently fall back to its default. The read-only
// members organization and state are accepted and ignored, so that the answer
// of a GET can be changed and sent back.
//
// The codes of faults are those of package booking, and unknown-member.
//
// # State
//
// [State] is not settable by PUT. [Organization.Bind] and [Organization.Unbind]
// are the operator's way to a tenant, [Organization.OfferConsent],
// [Organization.ProveAdmin] and [Organization.DecideConsent] the consent flow's
// (identity.md section 2, invariant I7): nothing else ever sets State.Tenant. Where
// accounts of any tenant are taken a consent is an [Allowance], which binds nothing.
// [Organization.Doubted] and [Organization.Prove] are how a consent is lost and found.
//
// # Guesses
//
// The specification gives no bounds for numbers and no defaults for displayName
// (the id), locale (en), timeZone (UTC), consent (tenant) and alerts.locale (the
// organisation's); those here are ours and documented in docs/http-api.md. That
// a binding by hand counts as consent granted, with no evidence, is ours too.
package organization

import (
	"encoding/json"
	"slices"
	"time"
)

// Profiles, the sets of defaults.
const (
	Travel   = "travel"
	Training = "training"
	Planning = "planning"
	Rooms    = "rooms"
)

// Values of Permission.
const (
	Delegated   = "delegated"
	Application = "application"
)

// Values of RecreateRemoved: when an event that a user deleted is made again.
const (
	RecreateNever  = "never"  // the delete holds for later revisions too
	RecreateTime   = "time"   // it holds until start, end or status changes
	RecreateAlways = "always" // it holds for the revision at which it was found
)

// Values of State.Consent.
const (
	ConsentNone     = "none"
	ConsentStarted  = "started"
	ConsentPending  = "pending-approval"
	ConsentGranted  = "granted"
	ConsentOutdated = "consent-outdated"
	ConsentMissing  = "consent-missing"
)

// Values of State.BoundBy.
const (
	BoundByConsent  = "consent"
	BoundByOperator = "operator"
)

// PermissionSet is the version of the permissions this build needs; a consent
// to a lower one is consent-outdated (identity.md section 2).
const PermissionSet = 1

// Organization is one organisation with effective settings.
type Organization struct {
	ID          string // [A-Za-z0-9][A-Za-z0-9._-]{0,63}
	DisplayName string
	Product     Product
	Profile     string
	// Module is whether the integration is enabled at all; Sync whether calendars
	// are written. A delivery without Module is skipped, one without Sync is a file.
	Module, Sync    bool
	Permission      string // Delegated or Application
	Accounts        string // tenant or any
	AddressMatch    string // require or warn
	Consent         string // tenant or scoped
	ExpectedTenant  string // a tenant's GUID or a verified domain; "" when not known
	Locale          string // BCP 47
	TimeZone        string // IANA name (Windows names are translated), of bookings that name none
	ReminderMinutes int    // before the start; -1 is no reminder
	// Invitations is whether attendees are written, so that mail may leave.
	Invitations bool
	OptOut      bool // whether a person may switch their own sync off
	DownSync    DownSync
	// OwnEventsChanged is what happens when people edit our events: report, product or outlook.
	OwnEventsChanged string
	RecreateRemoved  string
	Conflict         string // of room reservations: first, product or outlook
	RoomsMode        string // direct or invite
	// BackfillPastDays is how long after its end a booking is still created.
	BackfillPastDays int
	Brake            Brake
	Retention        Retention
	Alerts           Alerts

	State State
	// Document is the settings as they were given, compact, without the read-only members.
	Document json.RawMessage
}

// Product is the booking product as people know it.
type Product struct {
	Name string
	URL  string // http or https; "" for none
}

// DownSync is how calendars are read.
type DownSync struct {
	EveryMinutes int    // 30 or more, because Microsoft throttles
	Privacy      string // nothing, busy, title or all
}

// Brake stops a mailbox from which more would be removed in one cycle: more
// than Count events and more than Percent of those mirrored.
type Brake struct{ Count, Percent int }

// Retention is how long things are kept, in days after the booking's end.
type Retention struct{ BookingDays, BodyDays, LedgerDays int }

// Alerts is who is told of failures, and in which language.
type Alerts struct {
	Emails []string
	Locale string
}

// State is what consent and the operator have established; PUT never changes it.
type State struct {
	Tenant        string    // GUID in lower case; "" while not bound
	BoundBy       string    // consent or operator; "" while not bound
	Consent       string    // one of the Consent constants
	Evidence      string    // callback, silent or probe; "" for none
	ConsentedAt   time.Time // UTC; zero while not granted
	GrantedScopes []string
	PermissionSet int // 0 while not granted
	// RecoveredAt is when the operator last said that tables were lost or restored
	// from an old copy (UTC; zero for never): rows that were not looked at since may
	// not know of events that are there.
	RecoveredAt time.Time

	// What follows is ours: a GET of the organisation does not show it.

	// Attempt is a consent under way or waiting for a decision; zero for none.
	Attempt Attempt
	// BoundAttempt is the attempt that bound the organisation, or renewed that; "" for none.
	BoundAttempt string
	// Allowed are the tenants whose administrators came back from a consent to an
	// organisation that takes accounts of any, the latest first, at most 50.
	Allowed []Allowance
	// AdminTenant is the tenant that the organisation's admin last signed in to; "" for none.
	AdminTenant string
	// Decided is what was last decided with the function key.
	Decided Decision
	// Doubt is what speaks against the consent since it last worked.
	Doubt Doubt
	// Before is when an earlier organisation of this id was deleted (UTC); zero for never.
	// What was made until then, such as a link, is not this organisation's.
	Before time.Time
	// Removing says that events which are not over are to be removed because sync is
	// off; it ends when sync is on again.
	Removing bool
}

// Earlier reports whether something that was made at an instant is of an earlier
// organisation of the same id.
func (s State) Earlier(made time.Time) bool { return !s.Before.IsZero() && !made.After(s.Before) }

// Clone returns a copy that shares no memory with o.
func (o Organization) Clone() Organization {
	o.Alerts.Emails = slices.Clone(o.Alerts.Emails)
	o.State.GrantedScopes = slices.Clone(o.State.GrantedScopes)
	o.State.Attempt.Scopes = slices.Clone(o.State.Attempt.Scopes)
	o.State.Allowed = slices.Clone(o.State.Allowed) // whose scopes nobody changes
	o.State.Doubt.Seen = slices.Clone(o.State.Doubt.Seen)
	o.Document = slices.Clone(o.Document)
	return o
}

// ValidID reports whether id is one that routes and tables accept:
// [A-Za-z0-9][A-Za-z0-9._-]{0,63}.
func ValidID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for i, c := range []byte(id) {
		alphanumeric := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !alphanumeric && (i == 0 || c != '.' && c != '_' && c != '-') {
			return false
		}
	}
	return true
}
