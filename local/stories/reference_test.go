package stories

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/local/host"
)

// answers are those of commands that name something that only the page's reader has, by
// a part of the command.
var answers = map[string]int{
	`"attempt": "k3v`:                        http.StatusConflict, // nothing is pending
	`"inside":`:                              http.StatusConflict, // the consent is not scoped
	"connections/ifkbdcoyjtxkkl757iub7nbiw4": http.StatusNotFound,
	`"decision": "restore"`:                  http.StatusNotFound, // nothing is held
}

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// Every command of the reference and of the operator's page is taken, as far as what it
// names is there.
func TestEveryCommandOfTheReferenceIsTaken(t *testing.T) {
	for _, name := range []string{"http-api.md", "operate.md"} {
		t.Run(name, func(t *testing.T) {
			page, err := os.ReadFile("../../docs/" + name)
			if err != nil {
				t.Fatal(err)
			}
			w := start(t)
			w.mailbox(acme, "aino@acme.example", "Aino")
			g := &guide{world: w, variables: map[string]string{}, links: map[string]string{}}
			text := strings.NewReplacer("http://127.0.0.1:7071", w.front.URL, "https://app.example.com", w.front.URL,
				"0b6e7d2a-5c1f-4d8e-9a3b-7f6c5d4e3b2a", acme).Replace(string(page))
			g.known()
			for _, block := range shellBlock.FindAllStringSubmatch(text, -1) {
				for _, command := range commandsOf(block[1]) {
					g.reference(command)
				}
			}
			if g.commands < 5 {
				t.Errorf("only %d commands", g.commands)
			}
		})
	}
}

// known makes what the pages speak of: an organisation, a person, a booking.
func (g *guide) known() {
	g.t.Helper()
	g.organization("acme", fields{"profile": "training", "sync": true})
	if got := g.send(request{method: http.MethodPost, url: g.front.URL + "/api/operator/organizations/acme/tenant", body: `{"tenant":"` + acme + `"}`,
		header: http.Header{"X-Functions-Key": {host.MasterKey}, "Content-Type": {"application/json"}}}); got.Status != http.StatusOK {
		g.t.Fatalf("binding: %d %s", got.Status, got.Body)
	}
	g.M365.Entra.Consent(acme, g.Settings["ENTRA_CLIENT_ID"], "Calendars.ReadWrite")
	b := trip{Organization: "acme", ID: "PNR-7QX/1", Title: "Known", User: "u-17", Email: "aino@acme.example", Revision: 1, Day: 2}
	g.book(b)
	g.result(b, "written")
}

// reference runs one command of a page.
func (g *guide) reference(command string) {
	g.t.Helper()
	if name, value, ok := strings.Cut(command, "="); ok && regexp.MustCompile(`^[a-z_]+$`).MatchString(name) {
		g.variables[name] = value
		return
	}
	r, err := g.curl(command)
	if err != nil {
		g.t.Fatalf("%s: %v", command, err)
	}
	got := g.send(r)
	g.commands++
	want := 0
	for part, status := range answers {
		if strings.Contains(command, part) {
			want = status
		}
	}
	if want == 0 && got.Status == http.StatusNotFound && strings.Contains(r.url, "/bookings?id=") { // accepted a moment ago
		g.world.settled(func() bool { got = g.send(r); return got.Status != http.StatusNotFound }, func() any { return string(got.Body) })
	}
	if want == 0 && got.Status >= 300 || want != 0 && got.Status != want {
		g.t.Errorf("%s: status %d: %s", command, got.Status, got.Body)
	}
	if r.method == http.MethodDelete && strings.HasSuffix(r.url, "/organizations/acme") {
		g.known()
	}
}
