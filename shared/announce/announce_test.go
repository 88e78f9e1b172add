package announce_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/shared/announce"
)

func ptr[T any](v T) *T { return &v }

func TestDecode(t *testing.T) {
	people, faults := announce.Decode([]byte(`{"people":[
		{"user":"u/17","email":"Aino+x@bücher.example","account":"aino@acme.example","name":"\"Aino\" \u0007","locale":"fi","active":false},
		{"user":"😀"},
		{"user":"u-18","email":"","active":true}]}`))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	want := []announce.Person{
		{User: "u/17", Email: ptr("Aino+x@bücher.example"), Account: ptr("aino@acme.example"), Name: ptr("\"Aino\" \a"),
			Locale: ptr("fi"), Active: ptr(false)},
		{User: "😀"},
		{User: "u-18", Email: ptr(""), Active: ptr(true)},
	}
	if diff := cmp.Diff(want, people); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestEveryFaultIsNamedAtOnce(t *testing.T) {
	thousand := strings.TrimSuffix(strings.Repeat(`{},`, 1001), ",")
	for body, want := range map[string]string{
		``:                                   " syntax",
		`{} {}`:                              " syntax",
		"{\"people\":[{\"user\":\"\xff\"}]}": " encoding",
		`[]`:                                 " type",
		`null`:                               " type",
		`{}`:                                 "/people required",
		`{"people":null}`:                    "/people required",
		`{"people":{}}`:                      "/people type",
		`{"people":[],"x/y":1}`:              "/x~1y unknown-member",
		`{"people":[` + thousand + `]}`:      "/people too-many",
		`{"people":[7,{"user":"a"},{"user":"a"}]}`: "/people/0 type, /people/2/user duplicate",
		`{"people":[{},{"user":""},{"user":null},{"user":"a\u0000b"},{"user":"` + strings.Repeat("u", 257) + `"}]}`: "/people/0/user required, " +
			"/people/1/user required, /people/2/user type, /people/3/user format, /people/4/user too-long",
		`{"people":[{"user":"a","email":"a","account":"a b","name":7,"locale":null,"active":"no","activ":true}]}`: "/people/0/email format, " +
			"/people/0/account format, /people/0/name type, /people/0/locale type, /people/0/active type, /people/0/activ unknown-member",
		`{"people":[{"user":"a","email":"\"a\"@b.example"},{"user":"b","email":"a@b@c"},{"user":"c","email":"Aino <a@b.example>"}]}`: "/people/0/email format, " +
			"/people/1/email format, /people/2/email format",
	} {
		people, faults := announce.Decode([]byte(body))
		var got []string
		for _, f := range faults {
			got = append(got, f.Pointer+" "+f.Code)
			if f.Detail == "" {
				t.Errorf("%.60s: %s has no detail", body, f.Pointer)
			}
		}
		if s := strings.Join(got, ", "); s != want || people != nil {
			t.Errorf("%.60s: got %s, want %s", body, s, want)
		}
	}
}

func TestAThousandPeopleOfTheLongestNamesThatAreUsualFit(t *testing.T) {
	var b strings.Builder
	for i := range announce.MaxPeople {
		fmt.Fprintf(&b, `,{"user":"3d5c2d4e-90fe-4f5c-8f1e-%012d","email":"%s%d@acme.example","name":"%s","locale":"fi-FI","active":true}`,
			i, strings.Repeat("a", 60), i, strings.Repeat("ä", 120))
	}
	body := []byte(`{"people":[` + b.String()[1:] + `]}`)
	people, faults := announce.Decode(body)
	if len(people) != announce.MaxPeople || len(faults) > 0 || len(body) > announce.MaxDocument {
		t.Errorf("%d people, %v, %d bytes", len(people), faults, len(body))
	}
}

func TestFaultsAreAtMostAHundred(t *testing.T) {
	if _, faults := announce.Decode([]byte(`{"people":[` + strings.TrimSuffix(strings.Repeat(`{},`, 999), ",") + `]}`)); len(faults) != 100 {
		t.Errorf("%d faults", len(faults))
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{"people":[{"user":"a","email":"a@b","active":true}]}`, `{"people":[{"user":"a"},{"user":"a"}]}`, `[]`, ``} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		people, faults := announce.Decode(body)
		if len(faults) > 0 && people != nil {
			t.Error("both people and faults")
		}
		seen := map[string]bool{}
		for _, p := range people {
			if p.User == "" || seen[p.User] {
				t.Errorf("%q is no id, or there twice", p.User)
			}
			seen[p.User] = true
		}
	})
}
