package demo

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/calbridge/calbridge/local/stack"
)

// opened gets a page with a browser's cookies, or sends its form.
func opened(t *testing.T, browser *http.Client, method, target string, form url.Values) (page *html.Node, text string, at *url.URL) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := browser.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if page, err = html.Parse(bytes.NewReader(body)); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %d, %v\n%s", method, answer.Request.URL.Path, answer.StatusCode, err, body)
	}
	return page, string(body), answer.Request.URL
}

// formOf is the first form of a page that posts.
func formOf(t *testing.T, page *html.Node) (action string, fields url.Values) {
	t.Helper()
	for n := range page.Descendants() {
		if n.Data != "form" {
			continue
		}
		fields = url.Values{}
		for _, a := range n.Attr {
			if a.Key == "action" {
				action = a.Val
			}
		}
		for f := range n.Descendants() {
			of := map[string]string{}
			for _, a := range f.Attr {
				of[a.Key] = a.Val
			}
			if f.Data == "input" {
				fields.Set(of["name"], of["value"])
			}
		}
		return action, fields
	}
	t.Fatal("the page has no form")
	return "", nil
}

// What make run prints is what people click: each link leads to its first page, for
// everybody whom issue and README name.
func TestEveryLinkThatIsPrintedOpensItsPage(t *testing.T) {
	settings, err := stack.ReadSettings("../../local.settings.sample.json")
	if err != nil {
		t.Fatal(err)
	}
	program, err := stack.Build(t.Context(), "../..", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s, err := stack.Start(t.Context(), stack.Options{App: program, Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	var printed bytes.Buffer
	p := New(s, Story{}, &printed)
	links, err := p.Walk(context.WithoutCancel(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	p.ShowLinks(links)
	urls := regexp.MustCompile(`https?://\S+/api/portal/go/\S+`).FindAllString(printed.String(), -1)
	want := []string{"Set up the calendar connection", "Allow the calendar connection of Journeys", "Connected apps", "Connected apps"}
	if len(urls) != len(want) || len(links) != len(want) {
		t.Fatalf("printed\n%s", &printed)
	}
	for i, title := range want {
		if links[i].URL != urls[i] || links[i].SignIn == "" || !strings.Contains(printed.String(), links[i].Who) {
			t.Errorf("%+v was not printed in\n%s", links[i], &printed)
		}
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		browser := &http.Client{Jar: jar}
		page, _, at := opened(t, browser, http.MethodGet, urls[i], nil)
		action, fields := formOf(t, page)
		to, err := at.Parse(action)
		if err != nil {
			t.Fatal(err)
		}
		if _, text, _ := opened(t, browser, http.MethodPost, to.String(), fields); !strings.Contains(text, "<h1>"+title+"</h1>") {
			t.Errorf("%s is led to\n%s", links[i].Who, text)
		}
	}
}
