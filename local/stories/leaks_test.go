package stories

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/calbridge/calbridge/local/host"
)

// marks are what must not get out, with what each is. They are what the simulator and
// the program really made up in this test.
type marks map[string]string

// secret notes one, unless it is too short to be found by more than chance.
func (m marks) secret(what, text string) {
	if len(text) >= 12 {
		m[text] = what
	}
}

// collect finds the secrets that went over the two proxies.
func (w *world) collect() marks {
	m := marks{}
	m.secret("the app's secret", w.Settings["ENTRA_CLIENT_SECRET"])
	m.secret("the master key", host.MasterKey)
	for _, one := range w.entra.list() {
		if asked, err := url.ParseQuery(one.AskedBody); err == nil {
			for _, name := range []string{"client_secret", "client_assertion", "code_verifier", "refresh_token", "code"} {
				m.secret(name, asked.Get(name))
			}
		}
		var answered map[string]any
		if json.Unmarshal([]byte(one.Body), &answered) == nil {
			for _, name := range []string{"access_token", "refresh_token", "id_token"} {
				text, _ := answered[name].(string)
				m.secret(name, text)
			}
		}
		if back, err := url.Parse(one.Answered.Get("Location")); err == nil {
			m.secret("code", back.Query().Get("code"))
		}
	}
	for _, one := range w.front.list() {
		for _, c := range (&http.Response{Header: one.Answered}).Cookies() {
			m.secret("cookie", c.Value)
		}
	}
	return m
}

var addressPattern = regexp.MustCompile(`[A-Za-z0-9._-]+(@|%40)(acme|globex|gmail)\.(example|com)`)

// nothingLeaked searches everything that came out for secrets, and for addresses what
// must not have any.
func (w *world) nothingLeaked() {
	w.t.Helper()
	m := w.collect()
	kinds := map[string]int{}
	for _, what := range m {
		kinds[what]++
	}
	if kinds["access_token"] == 0 || kinds["code"] == 0 || kinds["cookie"] == 0 || kinds["code_verifier"] == 0 {
		w.t.Errorf("the search looks for nothing: %v", kinds)
	}
	search := func(where, text string, but ...string) {
		w.t.Helper()
		for secret, what := range m {
			allowed := false
			for _, b := range but {
				allowed = allowed || b == what
			}
			if !allowed && (strings.Contains(text, secret) || strings.Contains(text, url.QueryEscape(secret))) {
				w.t.Errorf("%s: %s is in it", where, what)
			}
		}
	}
	addresses := func(where, text string) {
		w.t.Helper()
		if found := addressPattern.FindString(text); found != "" {
			w.t.Errorf("%s: an address is in it: %.300s", where, text)
		}
	}
	log := w.log.text()
	search("the log", log)
	addresses("the log", log)
	if strings.Contains(log, host.FunctionKey) {
		w.t.Error("the log: the function key is in it")
	}
	for _, one := range w.front.list() {
		path, _, _ := strings.Cut(one.URL, "?")
		var but []string
		if strings.HasSuffix(path, "/callback") { // what Microsoft sends people back with
			but = []string{"code"}
		}
		search("URL of "+one.Method+" "+path, one.URL, but...)
		addresses("URL of "+one.Method+" "+path, one.URL)
		search("answer to "+one.Method+" "+path, one.Body)
		search("Location of "+path, one.Answered.Get("Location"))
		if one.Status >= 400 {
			addresses("error of "+one.Method+" "+path, one.Body)
		}
	}
	for _, one := range w.entra.list() {
		path, _, _ := strings.Cut(one.URL, "?")
		search("URL at Microsoft "+path, one.URL)
	}
	for _, c := range w.said.list() {
		search("event "+c.Type, string(c.Raw))
		var event struct {
			Data map[string]any
		}
		if err := json.Unmarshal(c.Raw, &event); err != nil {
			w.t.Error(err)
		}
		delete(event.Data, "ics") // the file is the person's
		rest, err := json.Marshal(event.Data)
		if err != nil {
			w.t.Error(err)
		}
		addresses("event "+c.Type, string(rest))
	}
	for table, rows := range w.rows() {
		search("table "+table, rows)
	}
}

// rows is everything in the tables, as it lies there.
func (w *world) rows() map[string]string {
	w.t.Helper()
	all := map[string]string{}
	service, err := aztables.NewServiceClientFromConnectionString(w.Settings["TABLES"], nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for tables := service.NewListTablesPager(nil); tables.More(); {
		page, err := tables.NextPage(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		for _, table := range page.Tables {
			for entities := service.NewClient(*table.Name).NewListEntitiesPager(nil); entities.More(); {
				rows, err := entities.NextPage(w.t.Context())
				if err != nil {
					w.t.Fatal(err)
				}
				for _, row := range rows.Entities {
					all[*table.Name] += string(row) + "\n"
				}
			}
		}
	}
	return all
}

// regexpFind is the first match.
func regexpFind(text, pattern string) string { return regexp.MustCompile(pattern).FindString(text) }
