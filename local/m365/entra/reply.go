package entra

import (
	"net/http"
	"net/url"
	"strings"
)

// outcome is what a browser gets: a page, or the way back to the application.
type outcome struct {
	page    string // of assets
	data    view
	status  int
	back    *reply
	session *session // whose cookie to set; nil leaves it
}

// reply is an answer to the application.
type reply struct {
	to     string // a redirect URI of it
	mode   string // query when empty
	values url.Values
}

// The response modes (13.2).
const (
	modeQuery    = "query"
	modeFragment = "fragment"
	modeFormPost = "form_post"
)

// write sends an outcome.
func (o *outcome) write(w http.ResponseWriter) {
	h := w.Header()
	if o.session != nil {
		http.SetCookie(w, &http.Cookie{Name: sessionCookie, Value: o.session.cookie, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	}
	h.Set("Cache-Control", "no-store, no-cache")
	h.Set("Referrer-Policy", "strict-origin-when-cross-origin")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	if o.back != nil && o.back.mode != modeFormPost {
		h.Set("Location", o.back.location())
		w.WriteHeader(http.StatusFound)
		return
	}
	if o.back != nil {
		o.page, o.status = "back.html", http.StatusOK
		o.data = view{Title: "Working...", Action: o.back.to, Values: o.back.values}
	}
	o.render(w)
}

// location is the address of a reply by query or fragment.
func (b *reply) location() string {
	values := b.values.Encode()
	switch {
	case values == "":
		return b.to
	case b.mode == modeFragment:
		return b.to + "#" + values
	case strings.Contains(b.to, "?"):
		return b.to + "&" + values
	}
	return b.to + "?" + values
}

// nonEmpty makes values of pairs of name and value and leaves out empty values.
func nonEmpty(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	return v
}

// goBack answers the application with an error (13.2). code overrides the error of
// the number's row.
func (s *Server) goBack(a *attempt, number int, code string, more ...string) *outcome {
	f := s.failure(a.host, "", number)
	if code == "" {
		code = f["error"].(string)
	}
	uri, _ := f["error_uri"].(string)
	if a.admin > 0 {
		uri = ""
	}
	values := nonEmpty(append([]string{"error", code, "error_description", f["error_description"].(string), "error_uri", uri, "state", a.state}, more...)...)
	s.close(a)
	return &outcome{back: &reply{to: a.redirect, mode: a.mode, values: values}}
}

// stay shows a failure on Entra's own page. With an attempt the page lets another
// account sign in.
func (s *Server) stay(host string, a *attempt, number int) *outcome {
	f := s.failure(host, "", number)
	data := view{Title: "Sorry, but we're having trouble signing you in.", Number: number, Text: f["error_description"].(string), Help: help(number)}
	status := http.StatusBadRequest
	if a != nil {
		if a.silent() {
			return s.goBack(a, number, "interaction_required")
		}
		data, status = s.filled(a, data), http.StatusOK
	}
	return &outcome{page: "error.html", status: status, data: data}
}
