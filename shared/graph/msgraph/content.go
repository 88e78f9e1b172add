package msgraph

import (
	"fmt"
	"math"

	"github.com/calbridge/calbridge/shared/event"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
)

// content is the part of the call's event that call.Set names, as Graph's model.
// What is not named is absent from the JSON and stays as it is in the calendar;
// what is named and empty is sent empty, so that it is cleared (contract 1).
func content(call graph.Call) (*models.Event, error) {
	e, set := call.Content, call.Set
	m := models.NewEvent()
	m.SetOdataType(nil) // the path says what it is
	if set.Has(event.Subject) {
		m.SetSubject(&e.Subject)
	}
	if set.Has(event.Body) {
		m.SetBody(body(call))
	}
	if set.Has(event.When) {
		m.SetStart(dateTime(e.Start))
		m.SetEnd(dateTime(e.End))
		m.SetIsAllDay(&e.AllDay)
	}
	if set.Has(event.Place) {
		m.SetLocation(location(e.Location))
	}
	if set.Has(event.Categories) {
		m.SetCategories(append([]string{}, e.Categories...)) // empty clears, nil would be left out
	}
	if set.Has(event.Reminder) {
		if err := setReminder(m, e.ReminderMinutes); err != nil {
			return nil, err
		}
	}
	return m, setEnums(m, e, set)
}

// setEnums sets what Graph takes from closed lists. An empty value leaves
// Graph's default; one that Graph does not have is refused here, because the
// SDK would leave it out without a word (contract 14).
func setEnums(m *models.Event, e event.Event, set event.Fields) error {
	if set.Has(event.ShowAs) && e.ShowAs != "" {
		v, _ := models.ParseFreeBusyStatus(e.ShowAs)
		status, ok := v.(*models.FreeBusyStatus)
		if !ok {
			return fmt.Errorf("showAs %q", e.ShowAs)
		}
		m.SetShowAs(status)
	}
	if set.Has(event.Sensitivity) && e.Sensitivity != "" {
		v, _ := models.ParseSensitivity(e.Sensitivity)
		sensitivity, ok := v.(*models.Sensitivity)
		if !ok {
			return fmt.Errorf("sensitivity %q", e.Sensitivity)
		}
		m.SetSensitivity(sensitivity)
	}
	return nil
}

func setReminder(m *models.Event, minutes int) error {
	on := minutes >= 0
	m.SetIsReminderOn(&on)
	if !on {
		return nil
	}
	if minutes > math.MaxInt32 {
		return fmt.Errorf("a reminder of %d minutes", minutes)
	}
	m32 := int32(minutes)
	m.SetReminderMinutesBeforeStart(&m32)
	return nil
}

func body(call graph.Call) *models.ItemBody {
	html := call.Content.Body
	if call.Body != "" {
		html = call.Body
	}
	kind := models.HTML_BODYTYPE
	b := models.NewItemBody()
	b.SetContentType(&kind)
	b.SetContent(&html)
	return b
}

func dateTime(t event.Time) *models.DateTimeTimeZone {
	d := models.NewDateTimeTimeZone()
	d.SetDateTime(&t.DateTime)
	d.SetTimeZone(&t.Zone)
	return d
}

// location always sends both parts, so that each can be cleared whether Graph
// replaces the object or merges it.
func location(l event.Location) *models.Location {
	address := models.NewPhysicalAddress()
	address.SetStreet(&l.Address)
	m := models.NewLocation()
	m.SetOdataType(nil)
	m.SetDisplayName(&l.Name)
	m.SetAddress(address)
	return m
}

// mark is the extended property that says whose event it is (contract 2.8).
func mark(value string) []models.SingleValueLegacyExtendedPropertyable {
	id := graph.MarkProperty
	p := models.NewSingleValueLegacyExtendedProperty()
	p.SetId(&id)
	p.SetValue(&value)
	return []models.SingleValueLegacyExtendedPropertyable{p}
}
