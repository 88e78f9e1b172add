package identity

import (
	"net/http"
	"net/url"
)

// newHTTPClient makes the client that azidentity sends with: no redirects, and
// plain http to the authority where that was asked for.
func newHTTPClient(parent http.RoundTripper, authority *url.URL) *http.Client {
	if parent == nil {
		parent = http.DefaultTransport.(*http.Transport).Clone()
	}
	if authority.Scheme == "http" {
		parent = plainHTTP{host: authority.Host, parent: parent}
	}
	return &http.Client{
		Transport:     parent,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// plainHTTP sends what is meant for one host over http instead of https.
type plainHTTP struct {
	host   string // host:port on loopback
	parent http.RoundTripper
}

func (p plainHTTP) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme == "https" && r.URL.Host == p.host {
		r = r.Clone(r.Context())
		r.URL.Scheme = "http"
	}
	return p.parent.RoundTrip(r)
}
