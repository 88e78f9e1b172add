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
	// exdates are the days on which a series does not take place.
	exdates []moment
	// instance is the original start of the occurrence that this is, else nil.
	instance *moment
}

// fileItem is what a file says of one UID: an event or series, and occurrences of it,
// which may also come alone.
type fileItem struct {
	uid       string
	event     *fileEvent
	instances []fileEvent
}

// moment is a time of a file: a date, or an instant.
type moment struct {
	day time.Time // midnight UTC of a date; else zero
	at  time.Time
}

// in is the date of a moment in a zone.
func (m moment) in(zone *time.Location) time.Time {
	if !m.day.IsZero() {
		return m.day
	}
	at := m.at.In(zone)
	return time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, time.UTC)
}

// largestFile bounds what is imported, in bytes.
const largestFile = 4 << 20

// parseFile reads a calendar file. home is the zone of floating times.
func (s *Store) parseFile(file []byte, home string) (method string, items []fileItem, err error) {
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
		items = collect(items, e)
	}
	if len(items) == 0 {
		return "", nil, errors.New("the file has no event")
	}
	return method, items, nil
}

// collect puts an occurrence to its series, wherever that stands in the file.
func collect(items []fileItem, e fileEvent) []fileItem {
	for i := range items {
		switch {
		case items[i].uid != e.uid || e.instance == nil && items[i].event != nil:
			continue
		case e.instance != nil:
			items[i].instances = append(items[i].instances, e)
		default:
			items[i].event = &e
		}
		return items
	}
	if e.instance != nil {
		return append(items, fileItem{uid: e.uid, instances: []fileEvent{e}})
	}
	return append(items, fileItem{uid: e.uid, event: &e})
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
	if err := s.fileInstance(v, &e, home); err != nil || e.cancelled {
		return e, err
	}
	if method == "REQUEST" {
		if p := v.GetProperty(ics.ComponentPropertyOrganizer); p != nil {
			e.organizer = Address{first(p.ICalParameters["CN"]), mailto(p.Value)}
		}
	}
	fileContent(v, &e.content)
	if err := s.fileTimes(v, &e.content, home); err != nil {
		return e, err
	}
	return e, s.fileSeries(v, &e, home)
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
