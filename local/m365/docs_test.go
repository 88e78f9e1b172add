package m365_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/graphworld"
	"github.com/calbridge/calbridge/local/m365/notify"
)

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// Every command of docs/simulator.md works as it stands, in the order of the page.
func TestEveryCommandOfTheDocumentationWorks(t *testing.T) {
	page, err := os.ReadFile("../../docs/simulator.md")
	if err != nil {
		t.Fatal(err)
	}
	w := start(t)
	w.must(201, "POST", "/v1.0/users/"+aino+"/events", flight)
	variables := map[string]string{"SIM": w.url, "TENANT": acme, "PERSON": aino, "EVENT": w.Exchange.Events(acme, aino)[0].ID,
		"APP": app, "OTHER": globex, "SUBSCRIPTION": subscribed(t, w)}
	files := map[string]string{"booking.ics": "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nMETHOD:PUBLISH\r\nBEGIN:VEVENT\r\nUID:u1\r\nDTSTAMP:20261101T000000Z\r\nDTSTART:20261201T100000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"}
	ran := map[string]bool{}
	for _, block := range shellBlock.FindAllStringSubmatch(string(page), -1) {
		for line := range strings.SplitSeq(strings.TrimSpace(block[1]), "\n") {
			req, err := curl(t, line, variables, files)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != 200 {
				t.Errorf("%s: %d %s", line, resp.StatusCode, body)
			}
			ran[req.Method+" "+req.URL.Path] = true
		}
	}
	if len(ran) < 20 {
		t.Errorf("only %d different commands were run: %v", len(ran), ran)
	}
	if all := w.Exchange.Events(acme, aino); len(all) != 3 { // the copy, the one of their own and the imported one
		t.Errorf("%d events are left, want 3", len(all))
	}
	for _, control := range controls(t) {
		if !ran[control] {
			t.Errorf("the page does not show %s", control)
		}
	}
	for _, name := range append(exchange.Deeds(), "soft-deleted", "on-premises", "no-federation", "new-ids", "as-word") {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("the page lacks %q", name)
		}
	}
}

// subscribed is the id of a subscription of the app's to Aino's events.
func subscribed(t *testing.T, w *world) string {
	sink := httptest.NewServer(&graphworld.Sink{})
	t.Cleanup(sink.Close)
	user, err := w.Exchange.User(acme, aino)
	if err != nil {
		t.Fatal(err)
	}
	s, err := w.Hub.Create(t.Context(), notify.Caller{Tenant: acme, App: app}, notify.Subscription{Resource: "users/" + aino + "/events",
		User: user.ObjectID, ChangeType: "updated", NotifyURL: sink.URL, LifecycleURL: sink.URL, Expires: w.Clock.Now().Add(24 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	return s.ID
}

var listedControl = regexp.MustCompile(`(?m)^//\t(GET|POST|DELETE) +(/sim/[a-z/-]+) `)

// controls are those that the comment of control.go lists.
func controls(t *testing.T) []string {
	source, err := os.ReadFile("control.go")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, m := range listedControl.FindAllStringSubmatch(string(source), -1) {
		all = append(all, m[1]+" "+m[2])
	}
	if len(all) < 30 {
		t.Errorf("only %d controls were found", len(all))
	}
	return all
}

// curl makes the request of a command line.
func curl(t *testing.T, line string, variables, files map[string]string) (*http.Request, error) {
	words, err := shellWords(line, variables)
	if err != nil || len(words) == 0 || words[0] != "curl" {
		return nil, fmt.Errorf("no curl: %q, %v", words, err)
	}
	method, url, body := http.MethodGet, "", ""
	for i := 1; i < len(words); i++ {
		switch word := words[i]; word {
		case "-sS":
		case "-X":
			i++
			method = words[i]
		case "-d":
			i++
			body = words[i]
		case "--data-binary":
			i++
			name, isFile := strings.CutPrefix(words[i], "@")
			if body = files[name]; !isFile || body == "" {
				return nil, fmt.Errorf("no file %q", words[i])
			}
		default:
			if strings.HasPrefix(word, "-") || url != "" {
				return nil, fmt.Errorf("%q is not understood", word)
			}
			url = word
		}
	}
	return http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
}

// shellWords splits a line as a shell does, as far as the page needs it: 'text',
// "text with $NAME", and what is glued together.
func shellWords(line string, variables map[string]string) ([]string, error) {
	var words []string
	var word strings.Builder
	open, quote := false, byte(0)
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote, open = c, true
		case c == '$' && quote != '\'':
			end := i + 1
			for end < len(line) && line[end] >= 'A' && line[end] <= 'Z' {
				end++
			}
			value, ok := variables[line[i+1:end]]
			if !ok {
				return nil, fmt.Errorf("no variable %s", line[i:end])
			}
			word.WriteString(value)
			open, i = true, end-1
		case c == ' ' && quote == 0:
			if open {
				words = append(words, word.String())
			}
			word.Reset()
			open = false
		default:
			word.WriteByte(c)
			open = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("a quote is open")
	}
	if open {
		words = append(words, word.String())
	}
	return words, nil
}
