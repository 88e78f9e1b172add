package organization

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"

	"github.com/calbridge/calbridge/shared/problem"
)

// MaxDocument is the largest settings document in bytes; it fits one property
// of a table row.
const MaxDocument = 60 * 1024

// Decode reads and checks a settings document. It returns every fault, in the
// order of the members below, and an Organization without ID and State that is
// meaningful only when there is no fault. The result keeps no reference to body.
func Decode(body []byte) (Organization, []problem.Fault) {
	if len(body) > MaxDocument {
		return Organization{}, []problem.Fault{{Code: "too-large",
			Detail: fmt.Sprintf("The document is larger than %d bytes.", MaxDocument)}}
	}
	r, fault := newReader(body)
	if fault != nil {
		return Organization{}, []problem.Fault{*fault}
	}
	r.faults = problem.Twice(body)
	o := r.organization()
	r.unknown()
	if len(r.faults) > 0 {
		return Organization{}, r.faults
	}
	o.Document = r.document()
	return o, nil
}

// Restore makes an organisation from a document that Decode once accepted. A
// member that this build does not know or no longer accepts takes its default:
// while an update rolls out, builds read what newer ones wrote.
func Restore(id string, document []byte, state State) (Organization, error) {
	r, fault := newReader(document)
	if fault != nil {
		return Organization{}, fmt.Errorf("organization.Restore(%q): %s", id, fault.Code)
	}
	o := r.organization()
	if o.Profile == "" {
		return Organization{}, fmt.Errorf("organization.Restore(%q): no known profile", id)
	}
	o.State, o.Document = state, bytes.Clone(document)
	return o.outdate().WithID(id), nil
}

// WithID names the organisation; its id is also its name for people unless
// another was given. Without a state it is one that nobody has consented for.
func (o Organization) WithID(id string) Organization {
	o.ID, o.State.Consent = id, cmp.Or(o.State.Consent, ConsentNone)
	if o.DisplayName == "" {
		o.DisplayName = id
	}
	return o
}

// organization walks the document once. Every value is checked where it is
// read, and a faulty one leaves the default.
func (r *reader) organization() Organization {
	o, _ := profile(r.required("/profile", Travel, Training, Planning, Rooms))
	r.text("/displayName", &o.DisplayName, 255)
	r.object("/product")
	r.text("/product/name", &o.Product.Name, 255)
	r.url("/product/url", &o.Product.URL)
	r.boolean("/module", &o.Module)
	r.boolean("/sync", &o.Sync)
	r.oneOf("/permission", &o.Permission, Delegated, Application)
	r.oneOf("/accounts", &o.Accounts, "tenant", "any")
	r.oneOf("/addressMatch", &o.AddressMatch, "require", "warn")
	r.oneOf("/consent", &o.Consent, "tenant", "scoped")
	if o.Consent == "scoped" && o.Permission != Application {
		r.fault("/consent", "mismatch", "Scoped consent limits application permissions; it needs permission application.")
	}
	r.object("/tenant")
	r.tenant("/tenant/expected", &o.ExpectedTenant)
	r.locale("/locale", &o.Locale)
	r.zone("/timeZone", &o.TimeZone)
	r.integer("/reminderMinutes", &o.ReminderMinutes, -1, 40320, "")
	r.boolean("/invitations", &o.Invitations)
	r.boolean("/optOut", &o.OptOut)
	r.object("/downSync")
	r.integer("/downSync/everyMinutes", &o.DownSync.EveryMinutes, 30, 10080,
		" Microsoft throttles applications that read calendars more often than every 30 minutes.")
	r.oneOf("/downSync/privacy", &o.DownSync.Privacy, "nothing", "busy", "title", "all")
	r.oneOf("/ownEventsChanged", &o.OwnEventsChanged, "report", "product", "outlook")
	r.oneOf("/recreateRemoved", &o.RecreateRemoved, RecreateNever, RecreateTime, RecreateAlways)
	r.oneOf("/conflict", &o.Conflict, "first", "product", "outlook")
	r.object("/rooms")
	r.oneOf("/rooms/mode", &o.RoomsMode, "direct", "invite")
	r.integer("/backfillPastDays", &o.BackfillPastDays, 0, 3650, "")
	r.object("/brake")
	r.integer("/brake/count", &o.Brake.Count, 0, 1_000_000, "")
	r.integer("/brake/percent", &o.Brake.Percent, 0, 100, "")
	r.object("/retention")
	r.integer("/retention/bookingDays", &o.Retention.BookingDays, 1, 3650, "")
	r.integer("/retention/bodyDays", &o.Retention.BodyDays, 1, 3650, "")
	r.integer("/retention/ledgerDays", &o.Retention.LedgerDays, 1, 3650, "")
	o.Alerts.Locale = o.Locale
	r.object("/alerts")
	r.emails("/alerts/emails", &o.Alerts.Emails)
	r.locale("/alerts/locale", &o.Alerts.Locale)
	return o
}

// document is what was given, without the read-only members.
func (r *reader) document() json.RawMessage {
	given := make(map[string]any, len(r.root))
	for name, value := range r.root {
		if !readOnly(name) {
			given[name] = value
		}
	}
	// A map of values that were parsed from JSON always marshals.
	b, _ := json.Marshal(given)
	return b
}

func readOnly(member string) bool { return member == "organization" || member == "state" }
