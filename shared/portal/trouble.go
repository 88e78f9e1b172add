package portal

import (
	"net/http"
	"strings"
)

// trouble is a page that says why it did not work: its texts are trouble.<name>.title,
// .what and .next.
type trouble string

// The troubles of links, sessions and forms.
const (
	notFound         trouble = "not-found"
	broken           trouble = "broken"
	getOnly          trouble = "get-only"
	postOnly         trouble = "post-only"
	noSession        trouble = "no-session"
	sessionOver      trouble = "session-over"
	wrongRole        trouble = "wrong-role"
	organizationGone trouble = "organization-gone"
	moduleOff        trouble = "module-off"
	formForeign      trouble = "form-foreign"
	formStale        trouble = "form-stale"
	formTooLarge     trouble = "form-too-large"
	formUnreadable   trouble = "form-unreadable"
	linkUnknown      trouble = "link-unknown"
	linkExpired      trouble = "link-expired"
	linkEnded        trouble = "link-ended"
	linkUsed         trouble = "link-used"
	cookieMissing    trouble = "cookie-missing"
	attemptUnknown   trouble = "attempt-unknown"
	attemptOver      trouble = "attempt-over"
	notRead          trouble = "not-read"
)

// statuses are those that are not 403.
var statuses = map[trouble]int{
	notFound:         http.StatusNotFound,
	broken:           http.StatusServiceUnavailable,
	getOnly:          http.StatusMethodNotAllowed,
	postOnly:         http.StatusMethodNotAllowed,
	organizationGone: http.StatusNotFound,
	formTooLarge:     http.StatusRequestEntityTooLarge,
	formUnreadable:   http.StatusBadRequest,
	linkUnknown:      http.StatusNotFound,
	linkExpired:      http.StatusGone,
	linkEnded:        http.StatusGone,
	attemptOver:      http.StatusGone,
}

// allowed are the methods that an address takes where another one came.
var allowed = map[trouble]string{getOnly: http.MethodGet, postOnly: http.MethodPost}

// status is the HTTP status of a trouble; 403 where none is named.
func (t trouble) status() int {
	if s, ok := statuses[t]; ok {
		return s
	}
	return http.StatusForbidden
}

// trouble answers with the page of a trouble, or with a problem document (RFC 9457)
// where the caller asked for JSON. The texts may name the organisation, the product
// and what pairs (name, value, …) give.
func (v *visit) trouble(t trouble, pairs ...string) Answer {
	key := "trouble." + string(t)
	m := message{Title: key + ".title", What: key + ".what", Next: key + ".next", Pairs: pairs, Bad: true}
	if t == getOnly || t == postOnly {
		m.Link, m.LinkText = v.portal.path(v.name, v.id), "trouble.to-page"
	}
	var a Answer
	if accept := v.request.Header.Get("Accept"); strings.Contains(accept, "json") && !strings.Contains(accept, "text/html") {
		a = v.with(Answer{Status: t.status(), Header: v.portal.headers("application/problem+json"),
			Document: &Document{codes[t.status()], v.lang.text(m.What, v.words(pairs))}})
	} else {
		a = v.page(t.status(), "trouble", m)
	}
	if method, ok := allowed[t]; ok {
		a.Header.Set("Allow", method)
	}
	return a
}

// broken answers that something we depend on failed; err is logged.
func (v *visit) broken(err error) Answer {
	a := v.trouble(broken)
	a.Header.Set("Retry-After", "10")
	a.Cause = err
	return a
}

// codes are those of the API that say what a status of trouble means; the others
// (403, 405, 410) have none.
var codes = map[int]string{
	http.StatusBadRequest:            "invalid",
	http.StatusNotFound:              "not-found",
	http.StatusRequestEntityTooLarge: "too-large",
	http.StatusServiceUnavailable:    "unavailable",
}

// message is a page of texts only: keys of a title, what happened, and the next step.
type message struct {
	Title, What, Next string
	// Pairs are name, value, … of the texts' placeholders.
	Pairs []string
	// Bad marks it as a failure.
	Bad bool
	// Link leads on, with the key of its text; "" for none.
	Link, LinkText string
	// Action posts a form of one button to a path, with the key of its text; "" for none.
	Action, ActionText string
}
