package entra

import (
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"strings"
)

//go:embed assets
var assets embed.FS

// view is what the pages show.
type view struct {
	Title, Subtitle, Text, Help string
	Number                      int    // AADSTS, 0 none
	Ctx, Path                   string // of the attempt; empty: the page has no form
	App, Account, Hint, Tenant  string
	Accounts                    []choice
	Permissions                 []shown
	MayGrantForAll              bool
	Action                      string // form_post
	Values                      url.Values
	Nonce                       string // of the one script
}

// choice is an account in the picker.
type choice struct {
	Name, Person, Tenant string
	SignedIn             bool
	Hinted               bool
}

// shown is a permission on a consent page.
type shown struct {
	Name, Text  string
	Application bool
}

func described(names []string) []shown {
	var all []shown
	for _, name := range names {
		p, _ := permissionOf(name)
		all = append(all, shown{Name: name, Text: p.title})
	}
	return all
}

// filled adds what every page of an attempt has.
func (s *Server) filled(a *attempt, data view) view {
	data.Ctx, data.Path, data.App = a.id, "/"+a.path, a.app.Name
	if data.App == "" {
		data.App = a.app.ID
	}
	if a.who != nil {
		data.Account = a.who.home.Principal
	}
	return data
}

// help is what a person can do about a number.
func help(number int) string {
	switch number {
	case 50020, 50034:
		return "Sign in with an account of this organization."
	case 50105:
		return "Ask an administrator to assign you to the application."
	case 53000, 53001, 53002, 53003, 530032, 50131, 500021:
		return "Your sign-in was successful but does not meet the criteria to access this resource. Ask your administrator."
	case 50011, 700016, 900971:
		return "The application is misconfigured. Go back to it and contact its makers."
	}
	return ""
}

// render writes a page. There is no form-action in the policy: forms here lead back
// to the applications.
func (o *outcome) render(w http.ResponseWriter) {
	o.data.Nonce = secret()
	pages, err := template.ParseFS(assets, "assets/layout.html", "assets/"+o.page)
	if err != nil {
		http.Error(w, "no such page", http.StatusInternalServerError)
		return
	}
	var b strings.Builder
	if err := pages.ExecuteTemplate(&b, "layout.html", o.data); err != nil {
		http.Error(w, "the page could not be written", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-"+o.data.Nonce+"'; frame-ancestors 'none'; base-uri 'none'")
	w.WriteHeader(o.status)
	w.Write([]byte(b.String())) // a browser that has gone needs no page
}
