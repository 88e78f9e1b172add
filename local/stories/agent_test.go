package stories

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// agent is a browser without a window: it keeps cookies, follows redirects, and sends
// forms as they stand on the page. Attackers have one, and may do more with it.
type agent struct {
	t      testing.TB
	client *http.Client
	URL    *url.URL // of the page at hand
	Status int
	Body   string

	header  http.Header                      // sent instead of what a browser would send
	hostile func(to string, form url.Values) // called before a form is sent
}

func (w *world) agent() *agent {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &agent{t: w.t, client: &http.Client{Jar: jar}}
}

// send makes a request, and the page that it leads to the page at hand.
func (a *agent) send(method, to string, form url.Values) *agent {
	a.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(a.t.Context(), method, to, body)
	if err != nil {
		a.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, values := range a.header {
		r.Header[name] = values
	}
	answer, err := a.client.Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	a.URL, a.Status, a.Body = answer.Request.URL, answer.StatusCode, string(text)
	return a
}

func (a *agent) open(to string) *agent { a.t.Helper(); return a.send(http.MethodGet, to, nil) }

var (
	formPattern  = regexp.MustCompile(`(?s)<form([^>]*)>(.*?)</form>`)
	inputPattern = regexp.MustCompile(`<input([^>]*)>`)
	pressPattern = regexp.MustCompile(`(?s)<button([^>]*)>(.*?)</button>`)
	linkPattern  = regexp.MustCompile(`(?s)<a ([^>]*)>(.*?)</a>`)
	pairPattern  = regexp.MustCompile(`([a-z-]+)(?:="([^"]*)")?`)
	tagPattern   = regexp.MustCompile(`(?s)<[^>]*>`)
)

func attributes(text string) map[string]string {
	all := map[string]string{}
	for _, pair := range pairPattern.FindAllStringSubmatch(text, -1) {
		all[pair[1]] = html.UnescapeString(pair[2])
	}
	return all
}

// form is the form with a button, as it would be sent by it.
func (a *agent) form(button string) (to string, form url.Values) {
	a.t.Helper()
	for _, f := range formPattern.FindAllStringSubmatch(a.Body, -1) {
		for _, b := range pressPattern.FindAllStringSubmatch(f[2], -1) {
			if !strings.Contains(plain(b[2]), button) {
				continue
			}
			form := url.Values{}
			for _, i := range inputPattern.FindAllStringSubmatch(f[2], -1) {
				x := attributes(i[1])
				_, checked := x["checked"]
				if kind := x["type"]; x["name"] != "" && (checked || kind != "radio" && kind != "checkbox") {
					form.Set(x["name"], x["value"])
				}
			}
			if x := attributes(b[1]); x["name"] != "" {
				form.Set(x["name"], x["value"])
			}
			target, err := a.URL.Parse(attributes(f[1])["action"])
			if err != nil {
				a.t.Fatal(err)
			}
			return target.String(), form
		}
	}
	a.t.Fatalf("no button %q at %s, where it says:\n%s", button, a.URL, plain(a.Body))
	return "", nil
}

// press sends the form with a button; pairs replace fields of it.
func (a *agent) press(button string, pairs ...string) *agent {
	a.t.Helper()
	to, form := a.form(button)
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	if a.hostile != nil {
		a.hostile(to, form)
	}
	return a.send(http.MethodPost, to, form)
}

// follow opens a link by its words.
func (a *agent) follow(words string) *agent {
	a.t.Helper()
	for _, l := range linkPattern.FindAllStringSubmatch(a.Body, -1) {
		if strings.Contains(plain(l[2]), words) {
			to, err := a.URL.Parse(attributes(l[1])["href"])
			if err != nil {
				a.t.Fatal(err)
			}
			return a.open(to.String())
		}
	}
	a.t.Fatalf("no link %q at %s, where it says:\n%s", words, a.URL, plain(a.Body))
	return nil
}

// sees fails unless the page says something.
func (a *agent) sees(words string) *agent {
	a.t.Helper()
	if !a.shows(words) {
		a.t.Fatalf("%q is not at %s (%d), where it says:\n%s", words, a.URL, a.Status, plain(a.Body))
	}
	return a
}

func (a *agent) shows(words string) bool { return strings.Contains(plain(a.Body), words) }

// plain is what a page says, on one line.
func plain(page string) string {
	return strings.Join(strings.Fields(html.UnescapeString(tagPattern.ReplaceAllString(page, " "))), " ")
}

// signIn picks an account at Entra.
func (a *agent) signIn(principal string) *agent {
	a.t.Helper()
	return a.sees("Pick an account").press("Sign in", "loginfmt", principal)
}

// post sends the form with a button and returns where it leads, without going there.
func (a *agent) post(button string, pairs ...string) (location string) {
	a.t.Helper()
	to, form := a.form(button)
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	client := *a.client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answer, err := client.PostForm(to, form)
	if err != nil {
		a.t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.Header.Get("Location")
}
