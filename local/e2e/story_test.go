package e2e

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/calbridge/calbridge/examples"
	"github.com/calbridge/calbridge/local/demo"
	"github.com/calbridge/calbridge/local/m365"
	"github.com/calbridge/calbridge/local/m365/entra"
	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/stack"
	"github.com/calbridge/calbridge/local/tables"
)

// play plays examples/ and reports what differs.
func play(t *testing.T, o stack.Options, change func(demo.Story) (demo.Story, error)) (printed string) {
	t.Helper()
	settings, err := stack.ReadSettings(repository(t, "local.settings.sample.json"))
	if err != nil {
		t.Fatal(err)
	}
	o.App, o.Settings = built, settings
	printer := &printer{t: t}
	o.Log = printer.print
	s, err := stack.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); printer.end() })
	story, err := demo.Load(examples.FS, time.Now())
	if err == nil && change != nil {
		story, err = change(story)
	}
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	player := demo.New(s, story, &out)
	defer player.Close()
	if err := player.Seed(t.Context()); err != nil {
		t.Fatal(err)
	}
	differences, err := player.Play(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range differences {
		t.Error(d)
	}
	return out.String()
}

// Two organisations in two tenants: bookings are created, changed and cancelled,
// somebody is taken off, people are not eligible, and one booking is faulty.
func TestTheExamplesComeOutAsExpected(t *testing.T) {
	play(t, stack.Options{}, nil)
}

func TestTheExamplesComeOutWithOneProcessPerFunctionGroup(t *testing.T) {
	play(t, stack.Options{PerFunctionGroup: true}, nil)
}

// What the README tells about a real tenant, with a simulator of its own in its place.
func TestTheExamplesComeOutWithPartsThatRunElsewhere(t *testing.T) {
	elsewhere := m365.New(nil)
	if err := elsewhere.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer elsewhere.Close()
	const app, secret, tenant = "22222222-2222-4222-8222-222222222222", "another secret", "c0000000-0000-4000-8000-000000000003"
	elsewhere.Entra.Register(entra.App{ID: app, Secrets: []string{secret}})
	elsewhere.AddTenant(tenant, "real.example")
	elsewhere.Entra.Consent(tenant, app, stack.Permission)
	elsewhere.Exchange.AddUser(tenant, exchange.User{Principal: "me@real.example"})
	elsewhere.Exchange.AddUser(tenant, exchange.User{Principal: "you@real.example"})
	store, err := tables.Start(tables.NewStore(nil), "127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	environment := map[string]string{"GRAPH_ENDPOINT": elsewhere.URL(), "ENTRA_AUTHORITY": elsewhere.URL(),
		"ENTRA_CLIENT_ID": app, "ENTRA_CLIENT_SECRET": secret, "TABLES": store.ConnectionString()}
	lookup := func(name string) (string, bool) { value, ok := environment[name]; return value, ok }
	for range 2 { // the second finds what the first left in the tables
		play(t, stack.Options{Environment: lookup}, func(s demo.Story) (demo.Story, error) {
			own, err := s.Own(tenant, []string{"me@real.example", "you@real.example"})
			if err != nil {
				return own, err
			}
			return own.Again(time.Now())
		})
	}
	var subjects []string
	for _, e := range elsewhere.Exchange.Events(tenant, "me@real.example") {
		subjects = append(subjects, e.Subject)
	}
	if want := slices.Repeat([]string{"AY1331 Helsinki - London (delayed)"}, 2); !slices.Equal(subjects, want) {
		t.Errorf("calendar: %q, want %q", subjects, want)
	}
}

// A difference must be found: the same story with other expectations.
func TestADifferenceIsTold(t *testing.T) {
	settings, err := stack.ReadSettings(repository(t, "local.settings.sample.json"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := stack.Start(t.Context(), stack.Options{App: built, Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	story, err := demo.Load(examples.FS, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	story.Steps = story.Steps[:1]
	story.Steps[0].Results = map[string]string{"*": "removed cancelled"}
	player := demo.New(s, story, t.Output())
	defer player.Close()
	if err := player.Seed(t.Context()); err != nil {
		t.Fatal(err)
	}
	differences, err := player.Play(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Of each of three people: topic, status, calendar.
	if len(differences) != 9 {
		t.Errorf("%d differences, want 9: %q", len(differences), differences)
	}
}
