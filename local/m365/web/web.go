// Package web shows the simulator's mailboxes in a browser: a list of them, and
// each one's week as a calendar, as its owner would see it in Outlook. People can
// do there what they do in Outlook (exchange.Deed): add, move, retitle, copy, paste and
// delete events, write around our text, add attendees, set reminder, category and
// show-as, mark as private, answer meetings of others, make a Teams meeting, and import a calendar
// file. That is how a demonstration plays the user who edits what Calbridge wrote.
//
// A week shows what changes while somebody watches: a small script asks every second
// whether anything has, and loads the page again, unless a form of it is open; then it
// says so. Without script, and on the list, the browser loads them again every few
// seconds. All that events hold is escaped; bodies are shown as text. Changes
// are accepted from these pages only (http.CrossOriginProtection).
package web

import (
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

//go:embed assets
var assets embed.FS

// Root is the path below which the pages are.
const Root = "/calendars"

// Pages is an http.Handler for Root and what is below it.
type Pages struct {
	store *exchange.Store
	now   func() time.Time
	pages *template.Template
	mux   *http.ServeMux
}

// New returns the pages of a store, with the simulator's clock.
func New(store *exchange.Store, now func() time.Time) *Pages {
	pages := template.New("").Funcs(template.FuncMap{"pair": pair})
	p := &Pages{store: store, now: now, pages: template.Must(pages.ParseFS(assets, "assets/*.html")), mux: http.NewServeMux()}
	p.mux.HandleFunc("GET "+Root, p.list)
	p.mux.HandleFunc("GET "+Root+"/week", p.week)
	p.mux.HandleFunc("GET "+Root+"/version", p.version)
	p.mux.HandleFunc("GET "+Root+"/watch.js", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, assets, "assets/watch.js")
	})
	p.mux.Handle("POST "+Root+"/do", http.NewCrossOriginProtection().Handler(http.HandlerFunc(p.do)))
	p.mux.HandleFunc("GET "+Root+"/style.css", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, assets, "assets/style.css")
	})
	return p
}

func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	p.mux.ServeHTTP(w, r)
}

// listed is one row of the list.
type listed struct {
	Tenant, Name, Mail, Link, State string
	Events                          int
}

func (p *Pages) list(w http.ResponseWriter, r *http.Request) {
	var rows []listed
	for _, box := range p.store.Boxes() {
		rows = append(rows, listed{
			Tenant: box.Tenant, Name: box.User.Name, Mail: box.User.Mail, State: box.User.State.String(),
			Link: link(box.Tenant, box.User.ObjectID, ""), Events: len(box.Events),
		})
	}
	p.render(w, "list.html", map[string]any{"Boxes": rows, "Mails": len(p.store.Mails()), "Now": p.now().UTC().Format(time.RFC1123)})
}

// link is the address of a mailbox's week; day "" is the current one.
func link(tenant, user, day string) string {
	q := url.Values{"tenant": {tenant}, "user": {user}}
	if day != "" {
		q.Set("day", day)
	}
	return Root + "/week?" + q.Encode()
}

func (p *Pages) render(w http.ResponseWriter, page string, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := p.pages.ExecuteTemplate(w, page, data); err != nil {
		http.Error(w, "the page could not be written", http.StatusInternalServerError)
	}
}

func escape(text string) string { return template.HTMLEscapeString(text) }
