package stack

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheEnvironmentReplacesWhatItNames(t *testing.T) {
	sample := Settings{"TABLES": "t", "TABLES__serviceUri": "", "SERVICEBUS": "s", "ENTRA_CLIENT_SECRET": "local",
		"ENTRA_CLIENT_CERTIFICATE": "", "ENTRA_MANAGED_IDENTITY": "", "PUBLIC_URL": "u", "AZURE_CLIENT_ID": ""}
	for _, c := range []struct {
		name        string
		environment Settings
		want        Settings
	}{
		{"nothing", nil, Settings{"TABLES": "t", "SERVICEBUS": "s", "ENTRA_CLIENT_SECRET": "local", "PUBLIC_URL": "u"}},
		{"a value", Settings{"PUBLIC_URL": "mine"}, Settings{"TABLES": "t", "SERVICEBUS": "s", "ENTRA_CLIENT_SECRET": "local", "PUBLIC_URL": "mine"}},
		{"another form of the same", Settings{"TABLES__serviceUri": "https://x", "ENTRA_CLIENT_CERTIFICATE": "pem"},
			Settings{"TABLES__serviceUri": "https://x", "SERVICEBUS": "s", "ENTRA_CLIENT_CERTIFICATE": "pem", "PUBLIC_URL": "u"}},
		{"an empty value is none", Settings{"TABLES": "", "TABLES__serviceUri": ""},
			Settings{"TABLES": "t", "SERVICEBUS": "s", "ENTRA_CLIENT_SECRET": "local", "PUBLIC_URL": "u"}},
		{"what is no setting is not read", Settings{"HOME": "/root"}, Settings{"TABLES": "t", "SERVICEBUS": "s", "ENTRA_CLIENT_SECRET": "local", "PUBLIC_URL": "u"}},
	} {
		got := sample.over(func(name string) (string, bool) { value, ok := c.environment[name]; return value, ok })
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", c.name, diff)
		}
	}
}

func TestAResultOfALowerSequenceIsDropped(t *testing.T) {
	c := &Changes{news: make(chan struct{}), latest: map[Target]Change{}, seen: map[string]bool{}}
	event := func(id string, sequence, state string) []byte {
		return []byte(`{"id":"` + id + `","type":"calbridge.delivery.v1","source":"http://x/api/organizations/acme","data":{"booking":"b/1","user":"u","sequence":` + sequence + `,"state":"` + state + `"}}`)
	}
	c.take(event("1", "2", "written"))
	c.take(event("1", "2", "written")) // again
	c.take(event("2", "1", "skipped")) // late
	c.take([]byte("no JSON"))
	got, ok := c.Latest(Target{"acme", "b/1", "u"})
	if !ok || got.Result() != "written" || c.Total() != 3 || len(c.Others()) != 1 {
		t.Errorf("latest %+v, %d events, others %+v", got, c.Total(), c.Others())
	}
}
