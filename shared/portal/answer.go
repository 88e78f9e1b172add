package portal

import (
	"net/http"
	"slices"
	"strings"
)

// Answer is what a request gets.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	// Document is what a program gets that asked for JSON and met with trouble, in place
	// of Body; nil for a page.
	Document *Document
	// Cause is why it failed, for the log; never shown. nil where nothing of ours did.
	Cause error
}

// Document is what a problem document (RFC 9457) says beside status and invocation.
type Document struct {
	// Code is one of those that the API has (wire.md); "" where none of them is meant, and
	// the status is all there is to say.
	Code   string
	Detail string // a sentence, in the reader's language
}

// unlessPassing is instead, but for an answer that another try may change.
func (a Answer) unlessPassing(instead Answer) Answer {
	if a.Status == http.StatusServiceUnavailable {
		return a
	}
	return instead
}

// contentPolicy forbids everything but our own style, script and pictures. Forms may
// lead to the origins, empty ones left out.
func contentPolicy(origins []string) string {
	targets := slices.DeleteFunc(slices.Clone(origins), func(o string) bool { return o == "" })
	return "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; " +
		"frame-ancestors 'none'; form-action " + strings.Join(append([]string{"'self'"}, targets...), " ")
}

// headers are those of every answer; personal pages are not cached by anyone.
func (p *Portal) headers(contentType string) http.Header {
	h := http.Header{
		"Content-Type":            {contentType},
		"Cache-Control":           {"no-store"},
		"Content-Security-Policy": {p.policy},
		"Referrer-Policy":         {"no-referrer"},
		"X-Content-Type-Options":  {"nosniff"},
		"X-Frame-Options":         {"DENY"},
		"X-Robots-Tag":            {"noindex"},
	}
	if p.secure {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	return h
}

// see sends the browser on with 303, which turns a POST into a GET (identity.md
// section 5). to is a path of ours or a URL that the portal made; never one that came
// in a request.
func (v *visit) see(to string) Answer {
	h := v.portal.headers("text/plain; charset=utf-8")
	h.Set("Location", to)
	return v.with(Answer{Status: http.StatusSeeOther, Header: h})
}

// with adds the cookies that were set during the visit.
func (v *visit) with(a Answer) Answer {
	for _, c := range v.cookies {
		a.Header.Add("Set-Cookie", c.String())
	}
	return a
}
