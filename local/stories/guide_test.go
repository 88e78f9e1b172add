package stories

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/host"
	"github.com/calbridge/calbridge/local/stack"
)

// fabrikam is the tenant that `make run` makes for whoever walks through the guide.
const fabrikam = "f0000000-0000-4000-8000-000000000001"

// guidePart is a block of commands, a shown answer or event, or a comment that says what
// happens beside the commands.
var guidePart = regexp.MustCompile("(?s)```(sh|json)\n(.*?)```|<!-- (.*?) -->")

// The integrators' guide works as it stands, in the order of the page: its commands are
// taken, what it shows is what comes, and people do in browsers what it says.
func TestTheIntegratorsGuideWorksAsItStands(t *testing.T) {
	page, err := os.ReadFile("../../docs/integrators.md")
	if err != nil {
		t.Fatal(err)
	}
	w := start(t)
	w.M365.AddTenant(fabrikam, "fabrikam.example")
	for _, name := range []string{"tina", "paul"} {
		w.mailbox(fabrikam, name+"@fabrikam.example", name)
	}
	g := &guide{world: w, variables: map[string]string{}, links: map[string]string{}}
	text := strings.ReplaceAll(string(page), "http://127.0.0.1:7071", w.front.URL)
	parts := guidePart.FindAllStringSubmatch(text, -1)
	for _, part := range parts {
		switch part[1] {
		case "sh":
			g.run(part[2])
		case "json":
			g.compare(part[2])
		default:
			g.beside(part[3])
		}
	}
	if g.commands < 15 || g.compared < 7 {
		t.Errorf("%d commands, %d answers and events", g.commands, g.compared)
	}
	if all := w.calendar(fabrikam, "tina@fabrikam.example"); len(all) != 0 {
		t.Errorf("at the end: %q", all)
	}
}

// guide is a reader who follows the page.
type guide struct {
	*world
	variables          map[string]string
	answer             []byte            // of the last command
	links              map[string]string // made so far, by role
	revision           int64             // of the last booking that was sent
	commands, compared int
}

// run runs a block of commands, one after the other.
func (g *guide) run(block string) {
	g.t.Helper()
	for _, command := range commandsOf(block) {
		if name, value, ok := strings.Cut(command, "="); ok && regexp.MustCompile(`^[a-z_]+$`).MatchString(name) {
			g.variables[name] = value
			continue
		}
		request, err := g.curl(command)
		if err != nil {
			g.t.Fatalf("%s: %v", command, err)
		}
		got := g.send(request)
		if got.Status >= 300 {
			g.t.Fatalf("%s: status %d: %s", command, got.Status, got.Body)
		}
		g.answer = got.Body
		g.commands++
		g.keep(request)
	}
}

// keep notes what later steps of the page need.
func (g *guide) keep(r request) {
	switch {
	case strings.HasSuffix(r.url, "/links"):
		var asked struct{ Role string }
		var made struct{ URL string }
		if err := json.Unmarshal([]byte(r.body), &asked); err != nil {
			g.t.Fatal(err)
		}
		if err := json.Unmarshal(g.answer, &made); err != nil {
			g.t.Fatal(err)
		}
		g.links[asked.Role] = made.URL
	case strings.HasSuffix(r.url, "/bookings"):
		var taken struct{ Revision int64 }
		if err := json.Unmarshal(g.answer, &taken); err != nil {
			g.t.Fatal(err)
		}
		g.revision = taken.Revision
	case strings.Contains(r.url, "/connections?"):
		var page struct{ Items []struct{ ID string } }
		if err := json.Unmarshal(g.answer, &page); err != nil || len(page.Items) != 1 {
			g.t.Fatalf("connections: %v, %s", err, g.answer)
		}
		g.variables["connection"] = page.Items[0].ID
	}
}

// beside is what happens that is no command.
func (g *guide) beside(what string) {
	g.t.Helper()
	switch what {
	case "15 seconds":
		g.Advance(16 * time.Second)
	case "consent":
		ada := g.agent().open(g.links["entra-admin"]).press("Continue").press("Continue to Microsoft").signIn("admin@fabrikam.example")
		ada.press("Accept").sees("Is this the right Microsoft 365?").press("Yes, connect it").sees("one step is left")
		paul := g.agent().open(g.links["org-admin"]).press("Continue").sees("sign in to it yourself")
		paul.follow("Connect Outlook calendar").press("Continue to Microsoft").signIn("paul@fabrikam.example")
		paul.sees("Is this right?").press("Yes, connect it").sees("Your calendar is connected")
	case "connect":
		tina := g.agent().open(g.links["user"]).press("Continue").follow("Connect Outlook calendar").press("Continue to Microsoft")
		tina.signIn("tina@fabrikam.example").sees("Is this right?").press("Yes, connect it").sees("Your calendar is connected")
	default:
		id, want, ok := strings.Cut(what, ": ")
		if !ok {
			g.t.Fatalf("what is %q?", what)
		}
		g.settled(stack.Target{Organization: "fabrikam", Booking: id, User: "tina"}, want)
	}
}

// settled waits for a result of the last booking that was sent.
func (g *guide) settled(of stack.Target, want string) {
	g.t.Helper()
	ctx, cancel := g.patiently()
	defer cancel()
	err := g.changes.Wait(ctx, func() bool {
		last, ok := g.changes.Latest(of)
		return ok && last.Revision >= g.revision && last.Result() == want
	})
	if err != nil {
		last, _ := g.changes.Latest(of)
		g.t.Fatalf("%s: %q, want %q", of.Booking, last.Result(), want)
	}
}

// compare holds what the page shows against the last answer, or against the topic.
func (g *guide) compare(block string) {
	g.t.Helper()
	var shown, got any
	if err := json.Unmarshal([]byte(block), &shown); err != nil {
		g.t.Fatalf("%v in %s", err, block)
	}
	text := g.answer
	if event, ok := shown.(map[string]any); ok && event["specversion"] != nil {
		text = g.event(event)
	}
	if err := json.Unmarshal(text, &got); err != nil {
		g.t.Fatal(err)
	}
	g.compared++
	if fault := within(shown, got, ""); fault != "" {
		g.t.Errorf("%s\nshown: %s\ncame:  %s", fault, block, text)
	}
}

// event waits for the event of the topic that is shown.
func (g *guide) event(shown map[string]any) (text []byte) {
	g.t.Helper()
	ctx, cancel := g.patiently()
	defer cancel()
	data := shown["data"].(map[string]any)
	err := g.changes.Wait(ctx, func() bool {
		for _, c := range g.changes.Others() {
			var e struct {
				Type string
				Data map[string]any
			}
			if json.Unmarshal(c.Raw, &e) == nil && e.Type == shown["type"] && e.Data["state"] == data["state"] && e.Data["user"] == data["user"] {
				text = c.Raw
			}
		}
		return text != nil
	})
	if err != nil {
		g.t.Fatalf("no event like %v", shown)
	}
	return text
}

// certain are members of which the page shows the very value.
var certain = map[string]bool{"state": true, "consent": true, "offer": true, "direction": true, "scope": true, "boundBy": true, "evidence": true,
	"type": true, "user": true, "email": true, "tenant": true, "organization": true, "primary": true, "grantedScopes": true, "source": true, "revision": true,
	"sequence": true}

// within says in which member the page shows something that did not come; "" for none.
// What came may have more members.
func within(shown, got any, at string) string {
	switch s := shown.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return at + " is no object"
		}
		for name, value := range s {
			is, there := g[name]
			if !there {
				return at + "/" + name + " is not there"
			}
			if certain[name] && fmt.Sprint(value) != fmt.Sprint(is) {
				return fmt.Sprintf("%s/%s is %v", at, name, is)
			}
			if fault := within(value, is, at+"/"+name); fault != "" {
				return fault
			}
		}
	case []any:
		g, ok := got.([]any)
		if !ok || len(s) != len(g) {
			return at + " has another length"
		}
		for i := range s {
			if fault := within(s[i], g[i], at); fault != "" {
				return fault
			}
		}
	default:
		if fmt.Sprintf("%T", shown) != fmt.Sprintf("%T", got) {
			return at + " is of another kind"
		}
	}
	return ""
}

// request is what a command of curl sends.
type request struct {
	method, url, body string
	header            http.Header
}

func (g *guide) send(r request) stack.Answer {
	g.t.Helper()
	path, ok := strings.CutPrefix(r.url, g.front.URL+"/api/")
	key := r.header.Get("X-Functions-Key")
	need := host.FunctionKey
	switch {
	case strings.HasPrefix(path, "operator/"):
		need = host.MasterKey
	case path == "health":
		need = ""
	}
	if !ok || key != need {
		g.t.Fatalf("%s with the key %q", r.url, key)
	}
	api := g.API()
	api.URL = g.front.URL
	got, err := api.Do(g.t.Context(), r.method, path, key, r.header.Get("Content-Type"), []byte(r.body))
	if err != nil {
		g.t.Fatal(err)
	}
	return got
}

// curl reads a command line, as far as the page needs it.
func (g *guide) curl(command string) (request, error) {
	words, err := g.words(command)
	if err != nil || len(words) == 0 || words[0] != "curl" {
		return request{}, fmt.Errorf("no curl: %q, %w", words, err)
	}
	r := request{method: http.MethodGet, header: http.Header{}}
	for i := 1; i < len(words); i++ {
		word, value := words[i], ""
		if word == "-X" || word == "-H" || word == "-d" {
			if i++; i == len(words) {
				return request{}, fmt.Errorf("nothing after %s", word)
			}
			value = words[i]
		}
		switch word {
		case "-sS":
		case "-X":
			r.method = value
		case "-H":
			name, content, _ := strings.Cut(value, ": ")
			r.header.Set(name, content)
		case "-d":
			if r.body = value; r.method == http.MethodGet {
				r.method = http.MethodPost
			}
		default:
			if strings.HasPrefix(word, "-") || r.url != "" {
				return request{}, fmt.Errorf("%q is not understood", word)
			}
			r.url = word
		}
	}
	return r, nil
}

// commandsOf splits a block into commands: a line goes on after a backslash and inside
// of quotes. Comments are dropped.
func commandsOf(block string) (all []string) {
	command := ""
	for line := range strings.SplitSeq(block, "\n") {
		command += shellComment.ReplaceAllString(line, "$1")
		if strings.Count(command, "'")%2 == 1 {
			command += "\n"
			continue
		}
		if before, ok := strings.CutSuffix(command, `\`); ok {
			command = before
			continue
		}
		if command = strings.TrimSpace(command); command != "" {
			all = append(all, command)
		}
		command = ""
	}
	return all
}

// shellComment is one that stands behind an assignment.
var shellComment = regexp.MustCompile(`^([a-z_]+=\S+)\s+#.*$`)

var shellWord = regexp.MustCompile(`(?:'[^']*'|"[^"]*"|[^\s'"])+`)
var shellVariable = regexp.MustCompile(`\$[a-z_]+`)

// words splits a command as a shell does.
func (g *guide) words(command string) (words []string, err error) {
	for _, raw := range shellWord.FindAllString(command, -1) {
		var word strings.Builder
		for _, piece := range regexp.MustCompile(`'[^']*'|"[^"]*"|[^'"]+`).FindAllString(raw, -1) {
			if piece[0] == '\'' {
				word.WriteString(piece[1 : len(piece)-1])
				continue
			}
			word.WriteString(shellVariable.ReplaceAllStringFunc(strings.Trim(piece, `"`), func(name string) string {
				value, ok := g.variables[name[1:]]
				if !ok {
					err = fmt.Errorf("no variable %s", name)
				}
				return value
			}))
		}
		words = append(words, word.String())
	}
	return words, err
}
