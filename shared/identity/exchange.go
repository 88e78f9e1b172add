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
	"time"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/cache"
)

// exchange carries the requests of one operation of MSAL and keeps what came, since
// MSAL hides or bends some of it:
//
//   - MSAL asks for offline_access with everything. Here the token request asks for
//     what the browser was sent with, and no more: a mere sign-in must not need a
//     consent that nobody gave.
//   - MSAL throws an answer away, and the new refresh token with it, when scope does
//     not repeat every scope asked for, letter by letter. Here it reads what was asked;
//     what was granted is taken from the answer itself.
//   - MSAL's errors quote answers. Here a refusal is kept, to be read as ours.
type exchange struct {
	client *http.Client
	scopes []string // asked for

	status int // of the last answer
	header http.Header
	body   []byte // of a refusal
	answer answer
}

// answer is a token response (contract 13.2).
type answer struct {
	AccessToken  string          `json:"access_token"`
	RefreshToken string          `json:"refresh_token"`
	IDToken      string          `json:"id_token"`
	Scope        *string         `json:"scope"`
	ExpiresIn    json.RawMessage `json:"expires_in"`
}

// life is how long the access token lasts; zero when the answer does not say.
func (a answer) life() time.Duration {
	seconds, err := strconv.Atoi(strings.Trim(string(a.ExpiresIn), `"`))
	if err != nil || seconds < 0 || seconds > 7*24*3600 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// scope is what was granted; where the answer does not say, what was asked for
// (RFC 6749, 5.1).
func (x *exchange) scope() string {
	if x.answer.Scope == nil || strings.TrimSpace(*x.answer.Scope) == "" {
		return strings.Join(x.scopes, " ")
	}
	return *x.answer.Scope
}

// CloseIdleConnections does nothing: the client is shared.
func (x *exchange) CloseIdleConnections() {}

// Do sends a request of MSAL.
func (x *exchange) Do(r *http.Request) (*http.Response, error) {
	isToken := r.Method == http.MethodPost
	if isToken {
		var err error
		if r, err = x.asking(r); err != nil {
			return nil, err
		}
	}
	resp, err := x.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := readAnswer(resp.Body)
	if err != nil {
		return nil, err
	}
	x.status, x.header = resp.StatusCode, resp.Header
	switch {
	case resp.StatusCode != http.StatusOK:
		x.body = body
	case isToken:
		if body, err = x.read(body); err != nil {
			return nil, err
		}
	}
	copied := *resp
	copied.Body, copied.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return &copied, nil
}

// asking is a token request with our scopes.
func (x *exchange) asking(r *http.Request) (*http.Request, error) {
	body, err := readAnswer(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, errors.New("the form cannot be read")
	}
	form.Set("scope", strings.Join(x.scopes, " "))
	text := form.Encode()
	r = r.Clone(r.Context())
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
	return r, nil
}

// read keeps a token response and returns it with the scopes that MSAL expects.
func (x *exchange) read(body []byte) ([]byte, error) {
	var whole map[string]json.RawMessage
	if json.Unmarshal(body, &whole) != nil || json.Unmarshal(body, &x.answer) != nil {
		return nil, errors.New("the answer is no token response")
	}
	scope, err := json.Marshal(strings.Join(x.scopes, " "))
	if err != nil {
		return nil, err
	}
	whole["scope"] = scope
	return json.Marshal(whole)
}

// accessor is MSAL's way to the cache of one account, and to no other's.
type accessor struct {
	home     string // home account id; "" before a sign-in, when the cache is empty
	stored   []byte // without access tokens
	exported []byte
}

// Replace gives MSAL what is stored.
func (a *accessor) Replace(_ context.Context, to cache.Unmarshaler, hints cache.ReplaceHints) error {
	if a.home == "" {
		return nil
	}
	if hints.PartitionKey != a.home {
		return errOtherAccount
	}
	return to.Unmarshal(a.stored)
}

// Export takes what MSAL has, and only if it is of the one account.
func (a *accessor) Export(_ context.Context, from cache.Marshaler, hints cache.ExportHints) error {
	if a.home != "" && hints.PartitionKey != a.home {
		return errOtherAccount
	}
	whole, err := from.Marshal()
	if err != nil {
		return err
	}
	kept, err := refreshOnly(whole, hints.PartitionKey)
	if err != nil {
		return err
	}
	a.home, a.exported = hints.PartitionKey, kept
	return nil
}

// errOtherAccount is what MSAL gets when it asks for, or brings, another account's.
var errOtherAccount = errors.New("the cache is another account's")

// refreshOnly is MSAL's cache with nothing but what a refresh needs: refresh token and
// application metadata. Access and id tokens go; every entry must be home's.
func refreshOnly(whole []byte, home string) ([]byte, error) {
	var all struct {
		Refresh map[string]json.RawMessage `json:"RefreshToken,omitempty"`
		App     map[string]json.RawMessage `json:"AppMetadata,omitempty"`
	}
	if err := json.Unmarshal(whole, &all); err != nil {
		return nil, errors.New("the cache cannot be read")
	}
	for _, raw := range all.Refresh {
		var entry struct {
			Home string `json:"home_account_id"`
		}
		if err := json.Unmarshal(raw, &entry); err != nil || entry.Home != home {
			return nil, errOtherAccount
		}
	}
	return json.Marshal(all)
}
