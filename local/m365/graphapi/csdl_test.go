package graphapi_test

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

// schema is calendar.csdl.xml, as far as payloads are held against it.
type schema struct {
	types map[string]csdlType // without namespace
	enums map[string][]string
}

type csdlType struct {
	Name       string         `xml:"Name,attr"`
	Base       string         `xml:"BaseType,attr"`
	Properties []csdlProperty `xml:"Property"`
	Navigation []csdlProperty `xml:"NavigationProperty"`
}

type csdlProperty struct {
	Name     string `xml:"Name,attr"`
	Type     string `xml:"Type,attr"`
	Nullable string `xml:"Nullable,attr"`
}

func readSchema(t testing.TB) schema {
	data, err := os.ReadFile("testdata/calendar.csdl.xml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Entities []csdlType `xml:"DataServices>Schema>EntityType"`
		Complex  []csdlType `xml:"DataServices>Schema>ComplexType"`
		Enums    []struct {
			Name    string `xml:"Name,attr"`
			Members []struct {
				Name string `xml:"Name,attr"`
			} `xml:"Member"`
		} `xml:"DataServices>Schema>EnumType"`
	}
	if err := xml.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	s := schema{map[string]csdlType{}, map[string][]string{}}
	for _, c := range append(file.Entities, file.Complex...) {
		s.types[c.Name] = c
	}
	for _, e := range file.Enums {
		for _, m := range e.Members {
			s.enums[e.Name] = append(s.enums[e.Name], m.Name)
		}
	}
	if len(s.types) < 50 || len(s.enums["freeBusyStatus"]) != 6 {
		t.Fatalf("%d types, freeBusyStatus %v", len(s.types), s.enums["freeBusyStatus"])
	}
	return s
}

// property finds a property of a type or what it is based on.
func (s schema) property(kind, name string) (csdlProperty, bool) {
	for kind != "" {
		c := s.types[kind]
		for _, p := range append(c.Properties, c.Navigation...) {
			if p.Name == name {
				return p, true
			}
		}
		kind = strings.TrimPrefix(c.Base, "graph.")
	}
	return csdlProperty{}, false
}

// open holds what real answers have and the CSDL does not (2.2, contract 17).
var open = map[string]string{"occurrenceId": "Edm.String"}

// check returns what is wrong with an object of a type.
func (s schema) check(path, kind string, value map[string]any) []string {
	var wrong []string
	for name, v := range value {
		if strings.HasPrefix(name, "@") {
			continue
		}
		p, ok := s.property(kind, name)
		if !ok && open[name] != "" {
			p, ok = csdlProperty{Type: open[name]}, true
		}
		if !ok {
			wrong = append(wrong, fmt.Sprintf("%s has no property %s", kind, name))
			continue
		}
		wrong = append(wrong, s.value(path+"/"+name, p.Type, p.Nullable != "false", v)...)
	}
	return wrong
}

func (s schema) value(path, kind string, nullable bool, v any) []string {
	if item, ok := strings.CutPrefix(kind, "Collection("); ok {
		list, isList := v.([]any)
		if !isList {
			return []string{fmt.Sprintf("%s is no list: %v", path, v)}
		}
		var wrong []string
		for i, one := range list {
			wrong = append(wrong, s.value(fmt.Sprint(path, "/", i), strings.TrimSuffix(item, ")"), false, one)...)
		}
		return wrong
	}
	if v == nil && nullable {
		return nil
	}
	name := strings.TrimPrefix(kind, "graph.")
	if members, ok := s.enums[name]; ok {
		if text, isText := v.(string); isText && slices.Contains(members, text) {
			return nil
		}
	} else if _, ok := s.types[name]; ok {
		if m, isObject := v.(map[string]any); isObject {
			return s.check(path, name, m)
		}
	} else if primitive(kind, v) {
		return nil
	}
	return []string{fmt.Sprintf("%s is no %s: %v", path, kind, v)}
}

var date = regexp.MustCompile(`^\d{4}-\d\d-\d\d$`)

func primitive(kind string, v any) bool {
	text, isText := v.(string)
	number, isNumber := v.(float64)
	switch kind {
	case "Edm.String":
		return isText
	case "Edm.Boolean":
		_, ok := v.(bool)
		return ok
	case "Edm.Int32":
		return isNumber && number == math.Trunc(number) && math.Abs(number) <= math.MaxInt32
	case "Edm.Double":
		return isNumber
	case "Edm.Date":
		return isText && date.MatchString(text)
	case "Edm.DateTimeOffset":
		_, err := time.Parse(time.RFC3339Nano, text)
		return isText && err == nil && strings.HasSuffix(text, "Z")
	}
	return false
}

// validate holds every successful answer of a world against the schema.
func (s schema) validate(t testing.TB, answers *int) func(reply) {
	return func(r reply) {
		context, _ := r.json["@odata.context"].(string)
		kind := "event"
		if strings.Contains(context, "/calendar/$entity") || strings.HasSuffix(context, "/calendars") {
			kind = "calendar"
		}
		if r.status >= 300 || context == "" {
			return
		}
		*answers++
		if list, ok := r.json["value"].([]any); ok {
			for i, one := range list {
				for _, wrong := range s.check(fmt.Sprint(i), kind, one.(map[string]any)) {
					t.Errorf("%s: %s", context, wrong)
				}
			}
			return
		}
		for _, wrong := range s.check("", kind, r.json) {
			t.Errorf("%s: %s", context, wrong)
		}
	}
}

// Issue part 9: answers are shapes that validate against calendar.csdl.xml.
func TestEveryAnswerFitsTheCSDL(t *testing.T) {
	w := start(t, exchange.Switches{}, nil)
	answers := 0
	w.check = readSchema(t).validate(t, &answers)
	type m = map[string]any
	full := flight(1, "transactionId", "T", "location", m{"displayName": "HEL", "locationType": "hotel", "locationUri": "https://x.example",
		"address": m{"street": "Lentäjäntie 3", "city": "Vantaa", "countryOrRegion": "FI"}, "coordinates": m{"latitude": 60.3, "longitude": 24.9}},
		"attendees", []any{m{"type": "Optional", "emailAddress": m{"name": "X", "address": "x@x.example"}}},
		"categories", []string{"Red"}, "showAs", "workingElsewhere", "sensitivity", "private", "importance", "low",
		"reminderMinutesBeforeStart", 90, "isOnlineMeeting", true, "onlineMeetingProvider", "teamsForBusiness",
		"singleValueExtendedProperties", marked("ab"),
		"recurrence", m{"pattern": m{"type": "relativeYearly", "interval": 1, "daysOfWeek": []string{"monday"}, "month": 3, "index": "last"},
			"range": m{"type": "endDate", "startDate": "2026-12-01", "endDate": "2027-12-01"}})
	series := w.must(201, "POST", events, full)
	w.must(200, "PATCH", events+"/"+series.id(), m{"recurrence": nil})
	id := w.must(201, "POST", "/users/"+aino+"/calendar/events", flight(2)).id()
	expand := query("$expand", "singleValueExtendedProperties($filter=id eq '"+mark+"')")
	w.must(200, "GET", events+"/"+series.id()+expand, nil, "Prefer", `outlook.timezone="Asia/Tokyo",outlook.body-content-type="text"`)
	w.must(200, "GET", events+"/"+id, nil)
	w.must(200, "GET", events+expand, nil)
	w.must(200, "GET", events+byMark("ab"), nil)
	w.must(200, "GET", "/users/"+aino+"/calendarView?startDateTime=2026-12-01&endDateTime=2026-12-31", nil)
	w.must(200, "GET", "/users/"+aino+"/calendar", nil)
	w.must(200, "GET", "/users/"+aino+"/calendars", nil)
	if answers != 10 {
		t.Errorf("%d answers were checked, want 10", answers)
	}
}

// The check above can fail: it finds what is wrong in the contract's own words.
func TestTheCSDLCheckFindsFaults(t *testing.T) {
	s := readSchema(t)
	for name, body := range map[string]string{
		"unknown property": `{"colour":"red"}`, "wrong type": `{"subject":1}`, "not in the enum": `{"showAs":"asleep"}`,
		"null in a list": `{"categories":[null]}`, "no list": `{"attendees":null}`, "nested": `{"body":{"contentType":"pdf"}}`,
		"no offset": `{"createdDateTime":"2026-12-01T00:00:00"}`, "no integer": `{"reminderMinutesBeforeStart":1.5}`,
	} {
		var value map[string]any
		if err := json.Unmarshal([]byte(body), &value); err != nil {
			t.Fatal(err)
		}
		if wrong := s.check("", "event", value); len(wrong) != 1 {
			t.Errorf("%s: %v", name, wrong)
		}
	}
}

// exchange.Enum and the CSDL have the same members.
func TestEnumerationsAreThoseOfTheCSDL(t *testing.T) {
	s := readSchema(t)
	for _, enum := range []string{"freeBusyStatus", "sensitivity", "importance", "bodyType", "attendeeType", "locationType",
		"locationUniqueIdType", "onlineMeetingProviderType", "dayOfWeek", "weekIndex", "recurrencePatternType", "recurrenceRangeType"} {
		for _, member := range s.enums[enum] {
			got, ok := exchange.Enum(enum, strings.ToUpper(member))
			if known := member != "unknownFutureValue"; ok != known || known && got != member {
				t.Errorf("%s.%s: %q, %t", enum, member, got, ok)
			}
		}
	}
}
