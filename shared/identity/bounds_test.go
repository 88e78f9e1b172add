package identity

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/key"
)

func TestTokensInMemoryAreBounded(t *testing.T) {
	now := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	u := &Users{now: func() time.Time { return now }, tokens: map[connectionKey]heldToken{}}
	name := func(n int) connectionKey { return connectionKey{"acme", key.Of("connection", fmt.Sprint(n))} }
	for n := range maxHeld {
		end := now.Add(time.Hour)
		if n < maxHeld/2 {
			end = now.Add(-time.Second)
		}
		u.hold(name(n), heldToken{value: "x", until: end})
	}
	u.hold(name(maxHeld), heldToken{value: "last", until: now.Add(time.Hour)})
	if len(u.tokens) != maxHeld/2+1 {
		t.Errorf("%d are kept, want those that live", len(u.tokens))
	}
	for n := range 2 * maxHeld {
		u.hold(name(n), heldToken{value: "x", until: now.Add(time.Hour)})
	}
	if len(u.tokens) > maxHeld {
		t.Errorf("%d are kept", len(u.tokens))
	}
	if _, ok := u.held(name(2*maxHeld-1), "", renewBefore); !ok {
		t.Error("the last one is not")
	}
}

// answers is a transport that answers everything with one document.
type answers string

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(a))), Request: r}, nil
}

func TestDocumentsAreBoundedInNumberAndSize(t *testing.T) {
	get := func(d *documents, n int) (string, error) {
		r, err := http.NewRequest(http.MethodGet, fmt.Sprintf("https://login.example/%d/v2.0/.well-known/openid-configuration?", n), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := d.RoundTrip(r)
		if err != nil {
			return "", err
		}
		body, err := io.ReadAll(resp.Body)
		return string(body), err
	}
	d := newDocuments(answers(`{"issuer":"x"}`), time.Now, time.Second)
	for n := range maxDocuments + 50 {
		if body, err := get(d, n); err != nil || body != `{"issuer":"x"}` {
			t.Fatalf("%q, %v", body, err)
		}
	}
	if len(d.kept) != maxDocuments {
		t.Errorf("%d are kept", len(d.kept))
	}
	long := newDocuments(answers(strings.Repeat(" ", maxDocument+1)), time.Now, time.Second)
	if _, err := get(long, 1); err == nil || len(long.kept) != 0 {
		t.Errorf("too long a document: %v", err)
	}
}
