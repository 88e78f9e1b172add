package exchange

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	ics "github.com/arran4/golang-ical"
)

// fileEvent is one VEVENT of a calendar file, as an import sees it.
type fileEvent struct {
	uid       string
	sequence  int
	cancelled bool
	organizer Address // of a meeting that asks for an answer; else empty
	content   Change
}

// largestFile bounds what is imported, in bytes.
const largestFile = 4 << 20

// parseFile reads a calendar file. home is the zone of floating times.
func (s *Store) parseFile(file []byte, home string) (method string, events []fileEvent, err error) {
	if len(file) > largestFile {
		return "", nil, errors.New("the file is larger than 4 MB")
	}
	calendar, err := ics.ParseCalendar(bytes.NewReader(file))
	if err != nil {
		return "", nil, fmt.Errorf("the file is no calendar: %w", err)
	}
	method = "PUBLISH"
	for _, p := range calendar.CalendarProperties {
		if p.IANAToken == string(ics.PropertyMethod) {
			method = strings.ToUpper(p.Value)
		}
	}
	for _, v := range calendar.Events() {
		e, err := s.parseEvent(v, method, home)
		if err != nil {
			return "", nil, err
		}
		events = append(events, e)
	}
	if len(events) == 0 {
		return "", nil, errors.New("the file has no event")
	}
	return method, events, nil
}

func (s *Store) parseEvent(v *ics.VEvent, method, home string) (fileEvent, error) {
	e := fileEvent{uid: text(v, ics.ComponentPropertyUniqueId), cancelled: method == "CANCEL" || text(v, ics.ComponentPropertyStatus) == "CANCELLED"}
	if e.uid == "" {
		return e, errors.New("an event has no UID")
	}
	if raw := text(v, ics.ComponentPropertySequence); raw != "" {
		n, err := strconv.Atoi(raw)
		if err != nil || n < 0 {
			return e, fmt.Errorf("SEQUENCE %q is no number", raw)
		}
		e.sequence = n
	}
	if e.cancelled {
		return e, nil
	}
	if v.GetProperty(ics.ComponentPropertyRrule) != nil || v.GetProperty("RECURRENCE-ID") != nil {
		return e, errors.New("series are not imported")
	}
	if method == "REQUEST" {
		if p := v.GetProperty(ics.ComponentPropertyOrganizer); p != nil {
			e.organizer = Address{first(p.ICalParameters["CN"]), mailto(p.Value)}
		}
	}
	fileContent(v, &e.content)
	return e, s.fileTimes(v, &e.content, home)
}

// fileContent reads all but the times. What a file leaves out is as Outlook has
// it after an import: no reminder, busy.
func fileContent(v *ics.VEvent, c *Change) {
	subject := text(v, ics.ComponentPropertySummary)
	body := Body{Text: true, Content: text(v, ics.ComponentPropertyDescription)}
	if p := v.GetProperty("X-ALT-DESC"); p != nil && strings.EqualFold(first(p.ICalParameters["FMTTYPE"]), "text/html") {
		body = Body{Content: p.Value}
	}
	locations := []Location{}
	if place := text(v, ics.ComponentPropertyLocation); place != "" {
		locations = append(locations, Location{Name: place})
	}
	categories := []string{}
	for _, p := range v.GetProperties(ics.ComponentPropertyCategories) {
		for name := range strings.SplitSeq(p.Value, ",") {
			categories = append(categories, strings.TrimSpace(name))
		}
	}
	showAs, sensitivity := fileStatus(v), "normal"
	switch strings.ToUpper(text(v, ics.ComponentPropertyClass)) {
	case "PRIVATE":
		sensitivity = "private"
	case "CONFIDENTIAL":
		sensitivity = "confidential"
	}
	on, minutes := false, 15
	for _, alarm := range v.Alarms() {
		if p := alarm.GetProperty(ics.ComponentPropertyTrigger); p != nil {
			if n, ok := before(p.Value); ok {
				on, minutes = true, n
			}
		}
	}
	c.Subject, c.Body, c.Locations, c.Categories = &subject, &body, &locations, &categories
	c.ShowAs, c.Sensitivity, c.ReminderOn, c.ReminderMinutes = &showAs, &sensitivity, &on, &minutes
}

// fileStatus is showAs: Microsoft's own property first, then TRANSP and STATUS
// ([MS-OXCICAL] 2.1.3.1.1.20.31).
func fileStatus(v *ics.VEvent) string {
	switch strings.ToUpper(text(v, "X-MICROSOFT-CDO-BUSYSTATUS")) {
	case "FREE":
		return "free"
	case "TENTATIVE":
		return "tentative"
	case "OOF":
		return "oof"
	case "WORKINGELSEWHERE":
		return "workingElsewhere"
	case "BUSY":
		return "busy"
	}
	switch {
	case strings.EqualFold(text(v, ics.ComponentPropertyTransp), "TRANSPARENT"):
		return "free"
	case strings.EqualFold(text(v, ics.ComponentPropertyStatus), "TENTATIVE"):
		return "tentative"
	}
	return "busy"
}

// fileTimes reads DTSTART and DTEND. A zone must be one that the store knows, by
// its TZID; what a VTIMEZONE says of it is not read.
func (s *Store) fileTimes(v *ics.VEvent, c *Change, home string) error {
	start, allDay, err := s.fileTime(v, ics.ComponentPropertyDtStart, home)
	if err != nil {
		return err
	}
	end := start
	if v.GetProperty(ics.ComponentPropertyDtEnd) != nil {
		var date bool
		if end, date, err = s.fileTime(v, ics.ComponentPropertyDtEnd, home); err != nil {
			return err
		}
		if date != allDay {
			return errors.New("DTSTART and DTEND are of two kinds")
		}
	} else if allDay { // RFC 5545 3.6.1: one day
		day, _ := time.Parse(wallClock, start.DateTime)
		end.DateTime = day.AddDate(0, 0, 1).Format(wallClock)
	}
	c.Start, c.End, c.AllDay = &start, &end, &allDay
	return nil
}

func (s *Store) fileTime(v *ics.VEvent, name ics.ComponentProperty, home string) (at Time, date bool, err error) {
	p := v.GetProperty(name)
	if p == nil {
		return at, false, fmt.Errorf("an event has no %s", name)
	}
	at.Zone = home
	if zone := first(p.ICalParameters["TZID"]); zone != "" {
		at.Zone = zone
	}
	value, utc := strings.CutSuffix(p.Value, "Z")
	if utc {
		at.Zone = "UTC"
	}
	if _, known := s.zones.find(at.Zone); !known {
		return at, false, fmt.Errorf("%s is in an unknown zone", name)
	}
	for _, layout := range []string{"20060102T150405", "20060102"} {
		if t, err := time.Parse(layout, value); err == nil {
			at.DateTime = t.Format(wallClock)
			return at, layout == "20060102", nil
		}
	}
	return at, false, fmt.Errorf("%s is no date or time", name)
}

var trigger = regexp.MustCompile(`^-?P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$`)

// before reads a TRIGGER relative to the start, in minutes before it.
func before(value string) (minutes int, ok bool) {
	m := trigger.FindStringSubmatch(value)
	if m == nil || !strings.HasPrefix(value, "-") && strings.Trim(value, "PTDHMSW0") != "" {
		return 0, false
	}
	for i, unit := range []int{7 * 24 * 60, 24 * 60, 60, 1} {
		n, _ := strconv.Atoi(m[i+1])
		if minutes += n * unit; n > 1<<20 {
			return 0, false
		}
	}
	return minutes, true
}

func text(v *ics.VEvent, name ics.ComponentProperty) string {
	if p := v.GetProperty(name); p != nil {
		return strings.TrimSpace(p.Value)
	}
	return ""
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

func mailto(value string) string {
	if len(value) >= 7 && strings.EqualFold(value[:7], "mailto:") {
		return value[7:]
	}
	return value
}
