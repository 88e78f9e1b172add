package identity

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// documentLife is how long a discovery document is kept.
	documentLife = 24 * time.Hour
	// maxDocuments bounds how many are kept: one per tenant.
	maxDocuments = 1024
	// maxDocument bounds one, and every other answer of Entra, in bytes.
	maxDocument = 1 << 20
)

// documents is a transport that keeps Entra's discovery documents, for MSAL, which
// asks for one with every new client, and for us. Many who need the same one share a
// request. Nothing else is kept; a refusal is not either.
type documents struct {
	parent  http.RoundTripper
	now     func() time.Time
	timeout time.Duration

	flights singleflight.Group
	mu      sync.Mutex
	kept    map[string]document
}

type document struct {
	status int
	header http.Header
	body   []byte
	until  time.Time // by documents.now
}

func newDocuments(parent http.RoundTripper, now func() time.Time, timeout time.Duration) *documents {
	return &documents{parent: parent, now: now, timeout: timeout, kept: map[string]document{}}
}

// RoundTrip implements http.RoundTripper.
func (d *documents) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet || !isDocument(r.URL.Path) {
		return d.parent.RoundTrip(r)
	}
	name := strings.TrimSuffix(r.URL.String(), "?")
	if kept, ok := d.at(name); ok {
		return kept.answer(r), nil
	}
	done := d.flights.DoChan(name, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), d.timeout)
		defer cancel()
		return d.fetch(name, r.Clone(ctx))
	})
	select {
	case got := <-done:
		if got.Err != nil {
			return nil, got.Err
		}
		return got.Val.(document).answer(r), nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// isDocument tells the paths of discovery; the keys have a cache of their own.
func isDocument(path string) bool {
	return strings.HasSuffix(path, "/.well-known/openid-configuration") || strings.HasSuffix(path, "/discovery/instance")
}

func (d *documents) at(name string) (document, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	doc, ok := d.kept[name]
	return doc, ok && d.now().Before(doc.until)
}

func (d *documents) fetch(name string, r *http.Request) (document, error) {
	resp, err := d.parent.RoundTrip(r)
	if err != nil {
		return document{}, err
	}
	defer resp.Body.Close()
	body, err := readAnswer(resp.Body)
	if err != nil {
		return document{}, err
	}
	doc := document{status: resp.StatusCode, header: resp.Header, body: body, until: d.now().Add(documentLife)}
	if doc.status != http.StatusOK || !json.Valid(body) {
		return doc, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.kept) >= maxDocuments {
		for other := range d.kept { // any one: it is one request to have it again
			delete(d.kept, other)
			break
		}
	}
	d.kept[name] = doc
	return doc, nil
}

func (d document) answer(r *http.Request) *http.Response {
	return &http.Response{
		StatusCode: d.status, Status: strconv.Itoa(d.status) + " " + http.StatusText(d.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: d.header.Clone(), Body: io.NopCloser(bytes.NewReader(d.body)), ContentLength: int64(len(d.body)), Request: r,
	}
}

// readAnswer reads a whole answer of bounded size.
func readAnswer(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	if err == nil && len(body) > maxDocument {
		err = errors.New("the answer is too long")
	}
	return body, err
}

// configuration is what we use of a tenant's discovery document (contract 13.1).
type configuration struct {
	Issuer                string `json:"issuer"`
	AuthorizationEndpoint string `json:"authorization_endpoint"`
	KeysURI               string `json:"jwks_uri"`
}

// discover reads the document of a tenant that signInTenant accepts. The endpoints in
// it must be the authority's own: browsers may be sent to http where the authority is
// http on loopback, programs never are.
func (u *Users) discover(ctx context.Context, tenant string) (configuration, error) {
	ctx, cancel := context.WithTimeout(ctx, u.timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.programs()+"/"+tenant+"/v2.0/.well-known/openid-configuration", nil)
	if err != nil {
		return configuration{}, &TokenError{Reason: "the discovery document cannot be asked for"}
	}
	resp, err := u.http.Do(r)
	if err != nil {
		return configuration{}, unreached(ctx, "the discovery document was not reached")
	}
	defer resp.Body.Close()
	body, err := readAnswer(resp.Body)
	if err != nil {
		return configuration{}, unreached(ctx, "the discovery document was not read")
	}
	if resp.StatusCode != http.StatusOK {
		return configuration{}, decodeError(resp.StatusCode, resp.Header, body)
	}
	var c configuration
	if json.Unmarshal(body, &c) != nil || c.Issuer == "" ||
		!u.own(c.KeysURI, "https") || !u.own(c.AuthorizationEndpoint, "https", u.authority.Scheme) {
		return configuration{}, &TokenError{Reason: "the discovery document is not as Entra's"}
	}
	return c, nil
}

// own reports whether an address is at the authority and has one of the schemes.
func (u *Users) own(address string, schemes ...string) bool {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Host != u.authority.Host || parsed.User != nil || parsed.RawQuery != "" || parsed.Fragment != "" {
		return false
	}
	for _, s := range schemes {
		if parsed.Scheme == s {
			return true
		}
	}
	return false
}

// unreached is the error of a request without an answer.
func unreached(ctx context.Context, reason string) *TokenError {
	if ctx.Err() != nil {
		return &TokenError{Cause: ctx.Err(), Reason: reason}
	}
	return &TokenError{Reason: reason}
}
