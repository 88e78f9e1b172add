package demo

import (
	"context"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

// agent walks through pages as a person does, without a window: it keeps cookies,
// follows redirects, and sends forms as they stand on the page. It stops at the first
// page that is not as it should be.
type agent struct {
	client *http.Client
	at     *url.URL
	page   string
	err    error
}

func newAgent() (*agent, error) {
	jar, err := cookiejar.New(nil)
	return &agent{client: &http.Client{Jar: jar}}, err
}

// open gets a page.
func (a *agent) open(ctx context.Context, to string) { a.send(ctx, http.MethodGet, to, nil) }

// press sends the form with a button; pairs replace fields of it.
func (a *agent) press(ctx context.Context, button string, pairs ...string) {
	if a.err != nil {
		return
	}
	to, form, ok := a.form(button)
	if !ok {
		title, _, _ := strings.Cut(plain(a.page), ". ")
		a.err = fmt.Errorf("no button %q at %s, where it says: %.300s", button, a.at.Path, title)
		return
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	a.send(ctx, http.MethodPost, to, form)
}

func (a *agent) send(ctx context.Context, method, to string, form url.Values) {
	if a.err != nil {
		return
	}
	r, err := http.NewRequestWithContext(ctx, method, to, strings.NewReader(form.Encode()))
	if err != nil {
		a.err = err
		return
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := a.client.Do(r)
	if err != nil {
		a.err = err
		return
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: status %d: %.300s", answer.Request.URL.Path, answer.StatusCode, plain(string(text)))
	}
	a.at, a.page, a.err = answer.Request.URL, string(text), err
}

var (
	formPattern   = regexp.MustCompile(`(?s)<form([^>]*)>(.*?)</form>`)
	fieldPattern  = regexp.MustCompile(`<input([^>]*)>`)
	buttonPattern = regexp.MustCompile(`(?s)<button([^>]*)>(.*?)</button>`)
	pairPattern   = regexp.MustCompile(`([a-z-]+)(?:="([^"]*)")?`)
	tagPattern    = regexp.MustCompile(`(?s)<[^>]*>`)
)

// form is the form with a button, as it would be sent by it.
func (a *agent) form(button string) (to string, form url.Values, ok bool) {
	for _, f := range formPattern.FindAllStringSubmatch(a.page, -1) {
		for _, b := range buttonPattern.FindAllStringSubmatch(f[2], -1) {
			if !strings.Contains(plain(b[2]), button) {
				continue
			}
			form = url.Values{}
			for _, field := range fieldPattern.FindAllStringSubmatch(f[2], -1) {
				of := attributes(field[1])
				_, checked := of["checked"]
				if checked || of["type"] != "radio" && of["type"] != "checkbox" {
					form.Set(of["name"], of["value"])
				}
			}
			if of := attributes(b[1]); of["name"] != "" {
				form.Set(of["name"], of["value"])
			}
			target, err := a.at.Parse(attributes(f[1])["action"])
			return fmt.Sprint(target), form, err == nil
		}
	}
	return "", nil, false
}

func attributes(text string) map[string]string {
	all := map[string]string{}
	for _, pair := range pairPattern.FindAllStringSubmatch(text, -1) {
		all[pair[1]] = html.UnescapeString(pair[2])
	}
	return all
}

// plain is what a page says, on one line.
func plain(page string) string {
	return strings.Join(strings.Fields(html.UnescapeString(tagPattern.ReplaceAllString(page, " "))), " ")
}
