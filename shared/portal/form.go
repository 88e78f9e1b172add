package portal

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"

	"github.com/calbridge/calbridge/shared/link"
)

// maxForm bounds the body of a POST, in bytes.
const maxForm = 64 << 10

// formField is the name of the token's field.
const formField = "form"

// formToken is the token of a form that posts to action of the visit's page: an
// HMAC over page, id and the cookie's hash that the page goes by. All forms of one page
// share it: whoever can post one can post the others.
func (v *visit) formToken() string {
	return v.portal.deps.Keys.Sign(link.PurposeForm, v.name, v.id, v.browser)
}

// formHolds checks the token of the form that came, for a page that goes by browser.
func (v *visit) formHolds(browser string) bool {
	return browser != "" && v.portal.deps.Keys.Verify(link.PurposeForm, v.values.Get(formField), v.name, v.id, browser)
}

// readForm reads the body of a POST into v.values: urlencoded, at most maxForm bytes,
// each field once, sent by one of our own pages. The answer is not nil where it is none.
func (v *visit) readForm() *Answer {
	refuse := func(t trouble) *Answer { a := v.trouble(t); return &a }
	if !v.portal.ownOrigin(v.request.Header) {
		return refuse(formForeign)
	}
	if kind, _, err := mime.ParseMediaType(v.request.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return refuse(formUnreadable)
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, v.request.Body, maxForm))
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return refuse(formTooLarge)
	}
	if err != nil {
		return refuse(formUnreadable)
	}
	if v.values, err = url.ParseQuery(string(body)); err != nil {
		return refuse(formUnreadable)
	}
	for name, values := range v.values {
		if len(values) > 1 && name != fieldCalendar { // no form of ours has another field twice
			return refuse(formUnreadable)
		}
	}
	return nil
}

// ownOrigin reports whether a POST can come from a page of ours. Browsers that say
// Sec-Fetch-Site are believed; older ones by Origin, which is null for the forms of a
// page with no-referrer.
func (p *Portal) ownOrigin(h http.Header) bool {
	if site := h.Values("Sec-Fetch-Site"); len(site) > 0 {
		return len(site) == 1 && site[0] == "same-origin"
	}
	origin := h.Get("Origin")
	return origin == "" || origin == "null" || origin == p.origin
}
