package graphapi

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

// view is how an answer shows an event.
type view struct {
	base      string // scheme://host/v1.0
	owner     string // object id
	zone      *exchange.Zone
	text      bool // bodies as text
	immutable bool
	alone     bool // a single event was asked for
	basic     bool // hide what ReadBasic may not see
	discreet  bool // hide what is private
	selected  []string
	expand    []exchange.PropertyID
	expanded  bool
}

const (
	stamp    = "2006-01-02T15:04:05.9999999Z"
	wall     = "2006-01-02T15:04:05.0000000"
	noMoment = "0001-01-01T00:00:00Z"
)

// encodeEvent gives the members of an event in the order of the official sample
// of POST /me/events (2.2).
func encodeEvent(e *exchange.Event, v view) object {
	if v.discreet {
		hidden := e.Discreet()
		e = &hidden
	}
	id := v.id(e)
	o := object{
		{"@odata.etag", `W/"` + e.ChangeKey + `"`},
		{"id", id},
		{"createdDateTime", e.Created.UTC().Format(stamp)},
		{"lastModifiedDateTime", e.Modified.UTC().Format(stamp)},
		{"changeKey", e.ChangeKey},
		{"categories", e.Categories},
		{"transactionId", orNull(e.TransactionID)},
		{"originalStartTimeZone", e.StartZone},
		{"originalEndTimeZone", e.EndZone},
		{"iCalUId", e.ICalUID},
		{"reminderMinutesBeforeStart", e.ReminderMinutes},
		{"isReminderOn", e.ReminderOn},
		{"hasAttachments", false},
		{"subject", e.Subject},
		{"bodyPreview", exchange.Preview(e.Body)},
		{"importance", e.Importance},
		{"sensitivity", e.Sensitivity},
		{"isAllDay", e.AllDay},
		{"isCancelled", e.Cancelled},
		{"isOrganizer", e.Response == ""},
		{"responseRequested", e.ResponseRequested},
		{"seriesMasterId", orNull(v.seriesID(e))},
		{"showAs", e.ShowAs},
		{"type", eventType(e)},
		{"webLink", "https://outlook.office365.com/owa/?itemid=" + url.QueryEscape(id) + "&exvsurl=1&path=/calendar/item"},
		{"onlineMeetingUrl", nil},
		{"isOnlineMeeting", e.OnlineMeeting},
		{"onlineMeetingProvider", e.OnlineMeetingProvider},
		{"allowNewTimeProposals", e.AllowNewTimeProposals},
		{"occurrenceId", orNull(v.occurrenceID(e))},
		{"isDraft", e.Draft},
		{"hideAttendees", e.HideAttendees},
		{"responseStatus", responseStatus(e)},
		{"body", v.body(e)},
		{"start", v.time(e.From, e.Start, e.AllDay)},
		{"end", v.time(e.To, e.End, e.AllDay)},
		{"location", firstLocation(e.Locations)},
		{"locations", encodeLocations(e.Locations)},
		{"recurrence", encodeRecurrence(e.Recurrence)},
		{"attendees", encodeAttendees(e.Attendees)},
		{"organizer", object{{"emailAddress", encodeAddress(e.Organizer)}}},
		{"onlineMeeting", onlineMeeting(e)},
	}
	if e.Series != "" {
		o = append(o, member{"originalStart", e.Original.Format(stamp)})
	}
	if v.alone && e.Recurrence != nil && slices.Contains(v.selected, "cancelledoccurrences") {
		o = append(o, member{"cancelledOccurrences", v.cancelled(e)})
	}
	return v.choose(o, e)
}

// seriesID is the id of an occurrence's series in the form that was asked for.
func (v view) seriesID(e *exchange.Event) string {
	if v.immutable {
		return e.Series
	}
	return e.SeriesMutable
}

// occurrenceID names an occurrence by its series and date (3.3).
func (v view) occurrenceID(e *exchange.Event) string {
	if e.Series == "" {
		return ""
	}
	return "OID." + v.seriesID(e) + "." + e.Day()
}

// cancelled are the occurrence ids of what was deleted from a series.
func (v view) cancelled(e *exchange.Event) []string {
	ids := []string{}
	for _, day := range e.Left() {
		ids = append(ids, "OID."+v.id(e)+"."+day)
	}
	return ids
}

// responseStatus is the owner's answer.
func responseStatus(e *exchange.Event) object {
	response, at := e.Response, noMoment
	if response == "" {
		response = "organizer"
	}
	if !e.Responded.IsZero() {
		at = e.Responded.UTC().Format(stamp)
	}
	return object{{"response", response}, {"time", at}}
}

func onlineMeeting(e *exchange.Event) any {
	if e.JoinURL == "" {
		return nil
	}
	return object{{"joinUrl", e.JoinURL}}
}

// choose applies $select and $expand. The tag and the id always come.
func (v view) choose(o object, e *exchange.Event) object {
	if v.selected != nil {
		o = slices.DeleteFunc(o, func(m member) bool {
			return m.name != "@odata.etag" && m.name != "id" && !slices.Contains(v.selected, strings.ToLower(m.name))
		})
	}
	if v.basic {
		o = slices.DeleteFunc(o, func(m member) bool { return m.name == "body" || m.name == "bodyPreview" })
	}
	if properties := v.properties(e); v.expanded && !v.basic && len(properties) > 0 {
		o = append(o, member{"singleValueExtendedProperties", properties})
	}
	return o
}

func (v view) properties(e *exchange.Event) []object {
	var found []object
	for _, id := range v.expand {
		if value, ok := e.Property(id); ok {
			found = append(found, object{{"id", id.String()}, {"value", value}})
		}
	}
	return found
}

func (v view) id(e *exchange.Event) string {
	if v.immutable {
		return e.ID
	}
	return e.MutableID
}

func (v view) body(e *exchange.Event) object {
	if v.text {
		return object{{"contentType", "text"}, {"content", exchange.Text(e.Body)}}
	}
	return object{{"contentType", "html"}, {"content", e.Body}}
}

// time shows a start or end in UTC or the zone that Prefer names. An all-day
// event is a date: midnight whatever the zone (2.3).
func (v view) time(at time.Time, given exchange.Time, allDay bool) object {
	name := "UTC"
	if v.zone != nil {
		name = v.zone.Name
		at = at.In(v.zone.Location)
	}
	shown := at.Format(wall)
	if date, _, ok := strings.Cut(given.DateTime, "T"); allDay && ok {
		shown = date + "T00:00:00.0000000"
	}
	return object{{"dateTime", shown}, {"timeZone", name}}
}

func eventType(e *exchange.Event) string {
	switch {
	case e.Recurrence != nil:
		return "seriesMaster"
	case e.Exception():
		return "exception"
	case e.Series != "":
		return "occurrence"
	}
	return "singleInstance"
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func encodeAddress(a exchange.Address) object {
	return object{{"name", a.Name}, {"address", a.Address}}
}

func encodeAttendees(all []exchange.Attendee) []object {
	encoded := make([]object, 0, len(all))
	for _, a := range all {
		encoded = append(encoded, object{
			{"type", a.Type},
			{"status", object{{"response", "none"}, {"time", noMoment}}},
			{"emailAddress", encodeAddress(a.Address)},
		})
	}
	return encoded
}

func firstLocation(all []exchange.Location) object {
	if len(all) == 0 {
		return object{{"displayName", ""}, {"locationType", "default"}, {"uniqueIdType", "unknown"},
			{"address", object{}}, {"coordinates", object{}}}
	}
	return encodeLocation(all[0])
}

func encodeLocations(all []exchange.Location) []object {
	encoded := make([]object, 0, len(all))
	for _, l := range all {
		encoded = append(encoded, encodeLocation(l))
	}
	return encoded
}

// encodeLocation gives a name-only location the name as its unique id (2.2).
func encodeLocation(l exchange.Location) object {
	kind, unique, uniqueKind := l.Type, l.UniqueID, l.UniqueIDType
	if kind == "" {
		kind = "default"
	}
	if unique == "" {
		unique, uniqueKind = l.Name, "private"
	}
	if uniqueKind == "" {
		uniqueKind = "unknown"
	}
	o := object{{"displayName", l.Name}, {"locationType", kind}, {"uniqueId", unique}, {"uniqueIdType", uniqueKind}}
	o = o.some("locationEmailAddress", l.Email).some("locationUri", l.URI)
	address := object{}.some("street", l.Street).some("city", l.City).some("state", l.State).
		some("countryOrRegion", l.Country).some("postalCode", l.PostalCode)
	coordinates := object{}
	if l.Placed {
		coordinates = object{{"latitude", l.Latitude}, {"longitude", l.Longitude}}
	}
	return append(o, member{"address", address}, member{"coordinates", coordinates})
}

// some appends a member if it is not empty.
func (o object) some(name, value string) object {
	if value == "" {
		return o
	}
	return append(o, member{name, value})
}

func encodeRecurrence(r *exchange.Recurrence) any {
	if r == nil {
		return nil
	}
	return object{
		{"pattern", object{
			{"type", r.Pattern.Type}, {"interval", r.Pattern.Interval}, {"month", r.Pattern.Month},
			{"dayOfMonth", r.Pattern.DayOfMonth}, {"daysOfWeek", r.Pattern.DaysOfWeek},
			{"firstDayOfWeek", r.Pattern.FirstDayOfWeek}, {"index", r.Pattern.Index},
		}},
		{"range", object{
			{"type", r.Range.Type}, {"startDate", r.Range.StartDate}, {"endDate", r.Range.EndDate},
			{"recurrenceTimeZone", r.Range.Zone}, {"numberOfOccurrences", r.Range.Count},
		}},
	}
}
