package portal

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// shown is a page that a browser got.
type shown struct {
	Answer
	t    testing.TB
	path string
	doc  *html.Node
}

// unsaid is what a text that does not exist, or was not filled in, looks like.
var unsaid = regexp.MustCompile(`\b(?:trouble|setup|consent|outcome|people|confirm|cause|go|sync-off|permission|microsoft|month|reading|held)\.[a-z]+[a-z.-]*\b|\{[a-z-]+\}`)

// wellMade checks what is true of every page.
func (p shown) wellMade() {
	p.t.Helper()
	if p.Header.Get("Location") != "" {
		return
	}
	if found := unsaid.FindString(textOf(p.doc)); found != "" {
		p.t.Errorf("%s: %q is a text that was not said", p.path, found)
	}
	for name, want := range map[string]string{"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
		"Strict-Transport-Security": "max-age=31536000", "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; " +
			"connect-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' https://login.example https://booker.example"} {
		if got := p.Header.Get(name); got != want {
			p.t.Errorf("%s: %s is %q", p.path, name, got)
		}
	}
	var last, ones int
	for n := range p.doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" {
				p.t.Errorf("%s: inline %s", p.path, a.Key)
			}
		}
		_, external := attr(n, "src")
		if n.Data == "style" || n.Data == "script" && !external {
			p.t.Errorf("%s: inline %s", p.path, n.Data)
		}
		if n.Data == "form" {
			method, _ := attr(n, "method")
			if _, fields := p.formOf(n); method == "post" && len(fields.Get("form")) != 43 {
				p.t.Errorf("%s: a form without a token", p.path)
			}
		}
		if len(n.Data) == 2 && n.Data[0] == 'h' && n.Data[1] >= '1' && n.Data[1] <= '6' {
			level := int(n.Data[1] - '0')
			if level > last+1 {
				p.t.Errorf("%s: h%d follows h%d", p.path, level, last)
			}
			if last = level; level == 1 {
				ones++
			}
		}
	}
	if ones != 1 {
		p.t.Errorf("%s: %d headings of level 1", p.path, ones)
	}
}

// form finds a form by its button.
func (p shown) form(button string) (action string, fields url.Values) {
	p.t.Helper()
	for n := range p.doc.Descendants() {
		if n.Data != "form" || !strings.Contains(textOf(n), button) {
			continue
		}
		return p.formOf(n)
	}
	p.t.Fatalf("no button %q on\n%s", button, p.Body)
	return "", nil
}

// formOf reads a form as a browser would send it.
func (p shown) formOf(n *html.Node) (action string, fields url.Values) {
	fields = url.Values{}
	for f := range n.Descendants() {
		_, checked := attr(f, "checked")
		kind, _ := attr(f, "type")
		if name, ok := attr(f, "name"); ok && f.Data == "input" && (kind != "radio" && kind != "checkbox" || checked) {
			value, _ := attr(f, "value")
			fields.Add(name, value)
		}
	}
	action, _ = attr(n, "action")
	return action, fields
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

func attr(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

// title is the text of h1.
func (p shown) title() string {
	for n := range p.doc.Descendants() {
		if n.Type == html.ElementNode && n.Data == "h1" {
			return textOf(n)
		}
	}
	return ""
}

func (p shown) is(status int, title string) shown {
	p.t.Helper()
	if p.Status != status || p.title() != title {
		p.t.Fatalf("got %d %q, want %d %q\n%s", p.Status, p.title(), status, title, p.Body)
	}
	return p
}

func (p shown) says(text string) shown {
	p.t.Helper()
	if !strings.Contains(textOf(p.doc), text) {
		p.t.Fatalf("%q is not on\n%s", text, p.Body)
	}
	return p
}

func (p shown) saysNot(text string) shown {
	p.t.Helper()
	if strings.Contains(string(p.Body), text) {
		p.t.Fatalf("%q is on\n%s", text, p.Body)
	}
	return p
}

// away is the query of the URL at Microsoft that an answer leads to.
func (p shown) away(endpoint string) url.Values {
	p.t.Helper()
	to, err := url.Parse(p.Header.Get("Location"))
	if err != nil || p.Status != http.StatusSeeOther || !strings.HasPrefix(to.String(), authority) || !strings.Contains(to.Path, endpoint) {
		p.t.Fatalf("got %d to %q, want a way to %s\n%s", p.Status, p.Header.Get("Location"), endpoint, p.Body)
	}
	return to.Query()
}
