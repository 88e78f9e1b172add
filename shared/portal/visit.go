package portal

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

// visit is one request to a page, and what is known of who makes it.
type visit struct {
	portal  *Portal
	request *http.Request
	// name, id and action are what the route matched; "" where it left them out.
	name, id, action string
	// session and org are set on pages of sessions; org also once a link or flow named it.
	session state.Session
	org     organization.Organization
	lang    *language
	// query is the request's, as net/url can read it; values are its pairs, or the form of a
	// POST.
	query  string
	values url.Values
	// browser is the SHA-256 of the cookie that the page's forms are bound to.
	browser string
	cookies []*http.Cookie
	now     time.Time
}

func (p *Portal) visit(r *http.Request) *visit {
	v := &visit{portal: p, request: r, now: p.now().UTC()}
	// The host decodes a query and writes it again without encoding a semicolon (contract
	// 2.2), at which net/url would drop the pair, or the whole.
	v.query = strings.ReplaceAll(r.URL.RawQuery, ";", "%3B")
	v.values, _ = url.ParseQuery(v.query) // what cannot be read is as if it was not there
	v.lang = p.texts.choose(r.Header.Get("Accept-Language"))
	return v
}

// of makes the visit one about an organisation, in the language that a link, session
// or flow named, else the organisation's; the browser's where neither is spoken here.
func (v *visit) of(org organization.Organization, locale string) {
	v.org = org
	for _, tag := range []string{locale, org.Locale} {
		if l, ok := v.portal.texts.find(tag); ok {
			v.lang = l
			return
		}
	}
}
