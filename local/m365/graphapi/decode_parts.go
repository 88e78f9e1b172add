package graphapi

import (
	"encoding/json"
	"net/http"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

func decodeBody(to **exchange.Body, value json.RawMessage) error {
	b := &exchange.Body{}
	*to = b
	if isNull(value) {
		return nil
	}
	m, err := members(value, "microsoft.graph.itemBody", "contentType", "content")
	if err != nil {
		return err
	}
	kind, err := oneOf("bodyType", m["contentType"], "text")
	if err != nil {
		return err
	}
	b.Text = kind == "text"
	b.Content, err = text("content", m["content"])
	return err
}

func decodeTime(to **exchange.Time, name string, value json.RawMessage) error {
	if isNull(value) {
		return &exchange.Error{Status: http.StatusBadRequest, Code: "ErrorPropertyValidationFailure", Message: "At least one property failed validation."}
	}
	m, err := members(value, "microsoft.graph.dateTimeTimeZone", "dateTime", "timeZone")
	if err != nil {
		return err
	}
	t := &exchange.Time{}
	if t.DateTime, err = text(name, m["dateTime"]); err != nil {
		return err
	}
	if t.Zone, err = text(name, m["timeZone"]); err != nil {
		return err
	}
	*to = t
	return nil
}

// decodeLocation replaces locations by one, unless the body has locations too, which
// then count (2.2).
func decodeLocation(c *exchange.Change, value json.RawMessage, others map[string]json.RawMessage) error {
	l, err := decodePlace(value)
	if err != nil {
		return err
	}
	if _, both := others["locations"]; both {
		return nil
	}
	list := []exchange.Location{}
	if l != (exchange.Location{}) {
		list = append(list, l)
	}
	c.Locations = &list
	return nil
}

func decodeLocations(c *exchange.Change, value json.RawMessage) error {
	var raw []json.RawMessage
	if json.Unmarshal(value, &raw) != nil {
		return wrongType("locations", "Collection(microsoft.graph.location)")
	}
	list := []exchange.Location{}
	for _, one := range raw {
		l, err := decodePlace(one)
		if err != nil {
			return err
		}
		list = append(list, l)
	}
	c.Locations = &list
	return nil
}

func decodePlace(value json.RawMessage) (exchange.Location, error) {
	var l exchange.Location
	if isNull(value) {
		return l, nil
	}
	m, err := members(value, "microsoft.graph.location", "displayName", "locationType", "locationEmailAddress",
		"locationUri", "uniqueId", "uniqueIdType", "address", "coordinates")
	if err != nil {
		return l, err
	}
	if err := readTexts(m, map[string]*string{"displayName": &l.Name, "locationEmailAddress": &l.Email,
		"locationUri": &l.URI, "uniqueId": &l.UniqueID}); err != nil {
		return l, err
	}
	if l.Type, err = oneOf("locationType", m["locationType"], ""); err != nil {
		return l, err
	}
	if l.UniqueIDType, err = oneOf("locationUniqueIdType", m["uniqueIdType"], ""); err != nil {
		return l, err
	}
	if a, ok := m["address"]; ok && !isNull(a) {
		if err := decodeAddress(&l, a); err != nil {
			return l, err
		}
	}
	if g, ok := m["coordinates"]; ok && !isNull(g) {
		err = decodeCoordinates(&l, g)
	}
	return l, err
}

func decodeAddress(l *exchange.Location, value json.RawMessage) error {
	m, err := members(value, "microsoft.graph.physicalAddress", "street", "city", "state", "countryOrRegion", "postalCode")
	if err != nil {
		return err
	}
	return readTexts(m, map[string]*string{"street": &l.Street, "city": &l.City, "state": &l.State,
		"countryOrRegion": &l.Country, "postalCode": &l.PostalCode})
}

// readTexts reads several strings of an object.
func readTexts(m map[string]json.RawMessage, to map[string]*string) error {
	for name, target := range to {
		s, err := text(name, m[name])
		if err != nil {
			return err
		}
		*target = s
	}
	return nil
}

func decodeCoordinates(l *exchange.Location, value json.RawMessage) error {
	m, err := members(value, "microsoft.graph.outlookGeoCoordinates", "latitude", "longitude", "altitude", "accuracy", "altitudeAccuracy")
	if err != nil {
		return err
	}
	for name, target := range map[string]*float64{"latitude": &l.Latitude, "longitude": &l.Longitude} {
		if v, ok := m[name]; ok && !isNull(v) {
			if json.Unmarshal(v, target) != nil {
				return wrongType(name, "Edm.Double")
			}
			l.Placed = true
		}
	}
	return nil
}

func decodeAttendees(c *exchange.Change, value json.RawMessage) error {
	list := []exchange.Attendee{}
	var raw []json.RawMessage
	if !isNull(value) && json.Unmarshal(value, &raw) != nil {
		return wrongType("attendees", "Collection(microsoft.graph.attendee)")
	}
	for _, one := range raw {
		a, err := decodeAttendee(one)
		if err != nil {
			return err
		}
		list = append(list, a)
	}
	c.Attendees = &list
	return nil
}

func decodeAttendee(value json.RawMessage) (exchange.Attendee, error) {
	var a exchange.Attendee
	m, err := members(value, "microsoft.graph.attendee", "type", "emailAddress", "status", "proposedNewTime")
	if err != nil {
		return a, err
	}
	if a.Type, err = oneOf("attendeeType", m["type"], "required"); err != nil {
		return a, err
	}
	e, err := members(m["emailAddress"], "microsoft.graph.emailAddress", "name", "address")
	if err != nil {
		return a, err
	}
	if a.Name, err = text("name", e["name"]); err != nil {
		return a, err
	}
	if a.Address.Address, err = text("address", e["address"]); err != nil {
		return a, err
	}
	if a.Name == "" {
		a.Name = a.Address.Address
	}
	return a, nil
}

func decodeProperties(c *exchange.Change, value json.RawMessage) error {
	var raw []json.RawMessage
	if json.Unmarshal(value, &raw) != nil {
		return wrongType("singleValueExtendedProperties", "Collection(microsoft.graph.singleValueLegacyExtendedProperty)")
	}
	for _, one := range raw {
		m, err := members(one, "microsoft.graph.singleValueLegacyExtendedProperty", "id", "value")
		if err != nil {
			return err
		}
		name, err := text("id", m["id"])
		if err != nil {
			return err
		}
		id, err := exchange.ParsePropertyID(name)
		if err != nil {
			return err
		}
		v, err := text("value", m["value"])
		if err != nil {
			return err
		}
		c.Properties = append(c.Properties, exchange.Property{ID: id, Value: v})
	}
	return nil
}

func decodeTransaction(c *exchange.Change, value json.RawMessage) (err error) {
	c.TransactionID, err = text("transactionId", value)
	return err
}

func decodeRecurrence(c *exchange.Change, value json.RawMessage) error {
	var r *exchange.Recurrence
	if !isNull(value) {
		m, err := members(value, "microsoft.graph.patternedRecurrence", "pattern", "range")
		if err != nil {
			return err
		}
		r = &exchange.Recurrence{}
		if err := decodePattern(&r.Pattern, m["pattern"]); err != nil {
			return err
		}
		if err := decodeRange(&r.Range, m["range"]); err != nil {
			return err
		}
	}
	c.Recurrence = &r
	return nil
}

func decodePattern(p *exchange.Pattern, value json.RawMessage) error {
	m, err := members(value, "microsoft.graph.recurrencePattern", "type", "interval", "month", "dayOfMonth", "daysOfWeek", "firstDayOfWeek", "index")
	if err != nil {
		return err
	}
	if p.Type, err = oneOf("recurrencePatternType", m["type"], ""); err != nil {
		return err
	}
	if p.FirstDayOfWeek, err = oneOf("dayOfWeek", m["firstDayOfWeek"], ""); err != nil {
		return err
	}
	if p.Index, err = oneOf("weekIndex", m["index"], ""); err != nil {
		return err
	}
	for name, target := range map[string]*int{"interval": &p.Interval, "month": &p.Month, "dayOfMonth": &p.DayOfMonth} {
		if err := integer(target, name, m[name]); err != nil {
			return err
		}
	}
	var days []json.RawMessage
	if v, ok := m["daysOfWeek"]; ok && json.Unmarshal(v, &days) != nil {
		return wrongType("daysOfWeek", "Collection(microsoft.graph.dayOfWeek)")
	}
	for _, one := range days {
		day, err := oneOf("dayOfWeek", one, "")
		if err != nil {
			return err
		}
		p.DaysOfWeek = append(p.DaysOfWeek, day)
	}
	return nil
}

func decodeRange(r *exchange.Range, value json.RawMessage) error {
	m, err := members(value, "microsoft.graph.recurrenceRange", "type", "startDate", "endDate", "recurrenceTimeZone", "numberOfOccurrences")
	if err != nil {
		return err
	}
	if r.Type, err = oneOf("recurrenceRangeType", m["type"], ""); err != nil {
		return err
	}
	if err := readTexts(m, map[string]*string{"startDate": &r.StartDate, "endDate": &r.EndDate, "recurrenceTimeZone": &r.Zone}); err != nil {
		return err
	}
	return integer(&r.Count, "numberOfOccurrences", m["numberOfOccurrences"])
}

// integer reads an Int32; absent is 0.
func integer(to *int, name string, value json.RawMessage) error {
	if value == nil {
		return nil
	}
	var p *int
	if err := decodeInt(&p, name, value); err != nil {
		return err
	}
	*to = *p
	return nil
}
