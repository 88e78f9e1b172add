package event

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

func draw(t *rapid.T) Event {
	text := rapid.SampledFrom([]string{"", "a", "b", "ab"})
	return Event{
		Subject: text.Draw(t, "subject"), Body: text.Draw(t, "body"),
		Start:    Time{text.Draw(t, "start"), text.Draw(t, "start zone")},
		End:      Time{text.Draw(t, "end"), text.Draw(t, "end zone")},
		AllDay:   rapid.Bool().Draw(t, "all day"),
		Location: Location{text.Draw(t, "name"), text.Draw(t, "address")},
		ShowAs:   text.Draw(t, "show as"), Sensitivity: text.Draw(t, "sensitivity"),
		Categories:      rapid.SliceOfN(text, 0, 3).Draw(t, "categories"),
		ReminderMinutes: rapid.IntRange(-1, 2).Draw(t, "reminder"),
	}
}

// differing compares field by field, without hashes.
func differing(a, b Event) Fields {
	var f Fields
	for field, equal := range map[Fields]bool{
		Subject:     a.Subject == b.Subject,
		Body:        a.Body == b.Body,
		When:        a.Start == b.Start && a.End == b.End && a.AllDay == b.AllDay,
		Place:       a.Location == b.Location,
		ShowAs:      a.ShowAs == b.ShowAs,
		Sensitivity: a.Sensitivity == b.Sensitivity,
		Categories:  len(a.Categories) == 0 && len(b.Categories) == 0 || reflect.DeepEqual(a.Categories, b.Categories),
		Reminder:    a.ReminderMinutes == b.ReminderMinutes,
	} {
		if !equal {
			f |= field
		}
	}
	return f
}

func TestAFingerprintTellsExactlyWhichFieldsChanged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw(t), draw(t)
		want := differing(a, b)
		if got := Changed(a.Fingerprint(), b); got != want {
			t.Fatalf("changed %b, want %b", got, want)
		}
		if same := a.Fingerprint() == b.Fingerprint(); same != (want == 0) {
			t.Fatalf("fingerprints equal: %v, fields differing: %b", same, want)
		}
	})
}

func TestAnUnknownFingerprintMeansEverything(t *testing.T) {
	e := Event{Subject: "x"}
	own := e.Fingerprint()
	for _, stored := range []string{"", "x", "2" + own[1:], own + ".x", own[:20]} {
		if got := Changed(stored, e); got != All {
			t.Errorf("%q: %b", stored, got)
		}
	}
	if len(own) > 100 {
		t.Errorf("%d characters", len(own))
	}
}

// Every field of Event is in the fingerprint: whoever adds one must add it there.
func TestEveryFieldOfAnEventCounts(t *testing.T) {
	var empty Event
	kind := reflect.TypeFor[Event]()
	for i := range kind.NumField() {
		e := empty
		fill(reflect.ValueOf(&e).Elem().Field(i))
		if Changed(empty.Fingerprint(), e) == 0 {
			t.Errorf("%s is not in the fingerprint", kind.Field(i).Name)
		}
	}
}

func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int:
		v.SetInt(7)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Struct:
		fill(v.Field(0))
	}
}

func FuzzChanged(f *testing.F) {
	f.Add(Event{}.Fingerprint())
	f.Add("1........")
	f.Fuzz(func(t *testing.T, stored string) { Changed(stored, Event{}) })
}
