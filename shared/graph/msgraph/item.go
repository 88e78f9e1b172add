package msgraph

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/zone"
)

// wireTime is Graph's dateTimeTimeZone.
type wireTime struct {
	DateTime string `json:"dateTime"`
	TimeZone string `json:"timeZone"`
}

// wireParty is a recipient.
type wireParty struct {
	EmailAddress struct {
		Name    string `json:"name"`
		Address string `json:"address"`
	} `json:"emailAddress"`
	Type   string `json:"type"`
	Status struct {
		Response string `json:"response"`
	} `json:"status"`
}

// wireItem is what is read of an event in a page of changes, or by its id. Members that
// are not there stay empty; others than these are not looked at.
type wireItem struct {
	Removed         json.RawMessage `json:"@removed"`
	ETag            string          `json:"@odata.etag"`
	ID              string          `json:"id"`
	ChangeKey       string          `json:"changeKey"`
	ICalUID         string          `json:"iCalUId"`
	Type            string          `json:"type"`
	Series          string          `json:"seriesMasterId"`
	OriginalStart   string          `json:"originalStart"`
	Created         string          `json:"createdDateTime"`
	Start           wireTime        `json:"start"`
	End             wireTime        `json:"end"`
	StartZone       string          `json:"originalStartTimeZone"`
	EndZone         string          `json:"originalEndTimeZone"`
	AllDay          bool            `json:"isAllDay"`
	Cancelled       bool            `json:"isCancelled"`
	IsOrganizer     bool            `json:"isOrganizer"`
	Reminder        bool            `json:"isReminderOn"`
	ReminderMinutes int             `json:"reminderMinutesBeforeStart"`
	ShowAs          string          `json:"showAs"`
	Sensitivity     string          `json:"sensitivity"`
	ResponseStatus  struct {
		Response string `json:"response"`
	} `json:"responseStatus"`
	Subject  string `json:"subject"`
	Location struct {
		DisplayName string `json:"displayName"`
	} `json:"location"`
	Body struct {
		ContentType string `json:"contentType"`
		Content     string `json:"content"`
	} `json:"body"`
	Organizer  wireParty       `json:"organizer"`
	Attendees  []wireParty     `json:"attendees"`
	Categories []string        `json:"categories"`
	Recurrence json.RawMessage `json:"recurrence"`
	Properties []struct {
		ID    string `json:"id"`
		Value string `json:"value"`
	} `json:"singleValueExtendedProperties"`
}

// item is the event as it was told (contract 4.4).
func (w *wireItem) item() graph.Item {
	if told(w.Removed) {
		return graph.Item{ID: w.ID, Removed: true}
	}
	i := graph.Item{
		ID: w.ID, ChangeKey: changeKey(w.ChangeKey, w.ETag), ICalUID: w.ICalUID, Kind: itemKind(w.Type, w.Series), Series: w.Series,
		Start: w.Start.instant(w.AllDay), End: w.End.instant(w.AllDay), StartZone: w.StartZone, EndZone: w.EndZone,
		AllDay: w.AllDay, Cancelled: w.Cancelled, IsOrganizer: w.IsOrganizer, Reminder: w.Reminder, ReminderMinutes: w.ReminderMinutes,
		ShowAs: w.ShowAs, Sensitivity: w.Sensitivity, Response: w.ResponseStatus.Response,
		Subject: w.Subject, Location: w.Location.DisplayName, Body: w.Body.Content, BodyType: strings.ToLower(w.Body.ContentType),
		Organizer:  graph.Person{Name: w.Organizer.EmailAddress.Name, Address: w.Organizer.EmailAddress.Address},
		Categories: w.Categories,
	}
	if original, err := time.Parse(time.RFC3339, w.OriginalStart); err == nil {
		i.Original = original.UTC()
	}
	if created, err := time.Parse(time.RFC3339, w.Created); err == nil {
		i.Created = created.UTC()
	}
	if i.Kind == graph.Master && told(w.Recurrence) {
		i.Recurrence = w.Recurrence
	}
	for _, a := range w.Attendees {
		i.People = append(i.People, graph.Person{Name: a.EmailAddress.Name, Address: a.EmailAddress.Address, Type: a.Type, Response: a.Status.Response})
	}
	for _, p := range w.Properties {
		if isMarkProperty(p.ID) {
			i.Mark = strings.ToLower(p.Value)
		}
	}
	return i
}

// told reports whether a member is there and not null.
func told(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

// itemKind reads the type of an event. One that is not told, or not known, is that of a
// day of a series where it has one.
func itemKind(kind, series string) graph.ItemKind {
	for _, k := range []graph.ItemKind{graph.Single, graph.Master, graph.Occurrence, graph.Exception} {
		if strings.EqualFold(kind, k.String()) {
			return k
		}
	}
	if series != "" {
		return graph.Exception
	}
	return graph.Single
}

// instant is a time in UTC, which is what was asked for; another zone is converted. Of an
// all-day event it is the date's midnight. A time that cannot be read is zero.
func (t wireTime) instant(allDay bool) time.Time {
	if allDay {
		date, _, _ := strings.Cut(t.DateTime, "T")
		day, err := time.Parse(time.DateOnly, date)
		if err != nil {
			return time.Time{}
		}
		return day
	}
	wall, err := time.Parse("2006-01-02T15:04:05.9999999", strings.TrimSuffix(t.DateTime, "Z"))
	if err != nil {
		return time.Time{}
	}
	if t.TimeZone == "" || strings.EqualFold(t.TimeZone, "UTC") {
		return wall
	}
	_, loc, ok := zone.Load(t.TimeZone)
	if !ok {
		return time.Time{}
	}
	return zone.Instant(wall, loc).UTC()
}
