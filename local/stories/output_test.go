package stories

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/calbridge/calbridge/shared/state"
)

// output is something that came out.
type output struct {
	Where, Text string
	May         []string // kinds of secrets whose place it is
	Addresses   bool     // people's addresses may be in it
}

var addressPattern = regexp.MustCompile(`(?i)[a-z0-9._-]+(@|%40|&#64;|\\u0040)(acme|globex|gmail|evil)\.(example|com)`)

// output is everything that came out so far: the log, the topic, what browsers and
// callers of the API were answered, all URLs, and the tables.
func (w *world) output() (all []output) {
	all = append(all, output{Where: "the log", Text: w.log.text()})
	for _, one := range w.front.list() {
		all = append(all, shownBy(one, w.entra.URL)...)
	}
	for _, one := range w.entra.list() {
		// Microsoft's page is asked with the state and the nonce, and may be told who is to
		// sign in; Graph's URLs name mailboxes.
		all = append(all, output{Where: at("URL at Microsoft", one), Text: one.URL, May: []string{"state", "nonce"}, Addresses: true})
	}
	for _, c := range w.said.list() {
		where := "event " + c.Type
		all = append(all, output{Where: where, Text: string(c.Raw), Addresses: true})
		var event struct{ Data map[string]any }
		if err := json.Unmarshal(c.Raw, &event); err != nil {
			w.t.Error(err)
		}
		delete(event.Data, "ics") // the file is the person's
		rest, err := json.Marshal(event.Data)
		if err != nil {
			w.t.Error(err)
		}
		all = append(all, output{Where: where, Text: string(rest)})
	}
	return append(all, w.rows()...)
}

// shownBy is what a request to the host had out: its URL, which lies in histories and
// in logs of proxies, and its answer.
func shownBy(one taped, microsoft string) []output {
	here := output{Where: at("URL", one), Text: one.URL}
	switch path := pathOf(one.URL); {
	case strings.HasSuffix(path, "/callback"): // what Microsoft sends people back with
		here.May = []string{"code", "state", "the function key"}
	case strings.Contains(path, "/portal/go/"):
		here.May = []string{"link"}
	}
	api := strings.Contains(one.Answered.Get("Content-Type"), "application/json")
	all := []output{here, {Where: at("answer", one), Text: one.Body, May: []string{"link", "form token"}, Addresses: one.Status < 400 && (api || one.Method == "GET")}}
	for name, values := range one.Answered {
		switch text := strings.Join(values, "\n"); {
		case name == "Set-Cookie":
			all = append(all, output{Where: at("cookie", one), Text: text, May: []string{"cookie"}})
		case name == "Location" && strings.HasPrefix(text, microsoft):
			u, err := url.Parse(text)
			if err != nil {
				continue
			}
			q := u.Query()
			q.Del("login_hint") // graph/contract.md 13.5: who is to sign in
			all = append(all, output{Where: at("way to Microsoft", one), Text: u.Path + "?" + q.Encode(), May: []string{"state", "nonce"}})
		default:
			all = append(all, output{Where: at("header "+name, one), Text: text})
		}
	}
	return all
}

// rows is everything in the tables, as it lies there and unpacked as far as whoever
// reads the tables can do so. Cookies, states and links are there as hashes, or not at all.
func (w *world) rows() (all []output) {
	w.t.Helper()
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
			var text strings.Builder
			for entities := service.NewClient(*table.Name).NewListEntitiesPager(nil); entities.More(); {
				rows, err := entities.NextPage(w.t.Context())
				if err != nil {
					w.t.Fatal(err)
				}
				for _, row := range rows.Entities {
					text.WriteString(readRow(row) + "\n")
				}
			}
			all = append(all, output{Where: "table " + *table.Name, Text: text.String(), Addresses: true})
		}
	}
	return all
}

// readRow is a row with its bytes as text beside it.
func readRow(row []byte) string {
	var raw map[string]any
	if json.Unmarshal(row, &raw) != nil {
		return string(row)
	}
	text := string(row)
	props := map[string]any{}
	for name, value := range raw {
		props[name] = value
		switch v := value.(type) {
		case string:
			if decoded, err := base64.StdEncoding.DecodeString(v); err == nil && raw[name+"@odata.type"] == "Edm.Binary" {
				props[name] = decoded
				text += "\n" + string(decoded)
			}
		case float64:
			props[name] = int32(v)
		}
	}
	if body, err := state.Unpack(props); err == nil {
		text += "\n" + string(body)
	}
	return text
}
