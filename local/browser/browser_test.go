package browser_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/local/browser"
)

// page is a page with one fault that axe-core knows: a field without a label.
const page = `<!doctype html><html lang="en"><title>A page</title><main><h1>Hello</h1>
<form method="post"><label for="name">Your "name"</label><input id="name" name="name"><button>Send it's fine</button></form>%</main>`

func serve(t *testing.T) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "script-src 'none'")
		body := ""
		switch {
		case r.Method == http.MethodPost:
			if cookie, err := r.Cookie("who"); err == nil {
				body = "again " + cookie.Value
			}
			http.SetCookie(w, &http.Cookie{Name: "who", Value: r.PostFormValue("name")})
			body += "<p>Thank you, " + r.PostFormValue("name") + "</p>"
		case r.URL.Path == "/faulty":
			body = `<input id="naked">`
		case r.URL.Path == "/script":
			body = `<script>document.title = "bad"</script>`
		}
		if _, err := w.Write([]byte(strings.Replace(page, "%", body, 1))); err != nil {
			t.Error(err)
		}
	}))
}

func TestAPersonReadsFillsInAndPresses(t *testing.T) {
	if testing.Short() {
		t.Log("the browser is left out")
		return
	}
	server := serve(t)
	defer server.Close()
	b := browser.Start(t)
	aino, bob := b.Person(t), b.Person(t)
	for _, p := range []*browser.Person{aino, bob} {
		p.Open(server.URL)
		p.Accessible()
		p.Fill(`Your "name"`, "Somebody")
		p.Press("Send it's fine")
		p.Sees("Thank you, Somebody")
		if p.Shows("again") {
			t.Error("two people share cookies")
		}
	}
	tab := aino.Tab()
	tab.Open(server.URL)
	tab.Fill(`Your "name"`, "Aino")
	tab.Press("Send it's fine")
	tab.Sees("again Somebody")
	if complaints := aino.Complaints(); len(complaints) > 0 {
		t.Error(complaints)
	}
	bob.Open(server.URL + "/faulty")
	if broken := bob.Broken(); !slices.ContainsFunc(broken, func(v string) bool { return strings.HasPrefix(v, "label:") }) {
		t.Errorf("a field without a label is not told of: %q", broken)
	}
	aino.Open(server.URL + "/script")
	aino.Sees("Hello")
	if complaints := aino.Complaints(); !slices.ContainsFunc(complaints, func(c string) bool { return strings.Contains(c, "Content Security Policy") }) {
		t.Errorf("a script that the policy refuses is not told of: %q", complaints)
	}
}
