// Package msgraph is graph.Calendar over Microsoft Graph v1.0.
//
// # What of the SDK is used
//
// Requests are built with msgraph-sdk-go: its request builders make method and
// URL, its models the JSON. The root package is never imported; it would link
// every service of Graph.
//
// Sending and reading are our own, for reasons that tests here show:
//   - The SDK's ODataError.Error panics on an error body without a message, and
//     a body that is no JSON loses its status (graph/contract.md 9).
//   - The default middleware chain is in random order per client, sleeps on 429
//     and 503, sends a POST again, gzips bodies and follows redirects to other
//     hosts (contract 14). Here the chain is chosen: the SDK's telemetry headers
//     (SdkVersion, client-request-id) and nothing else. net/http itself repeats
//     a write only when not one byte of it was sent.
//   - The SDK's batch decodes each body into a map and encodes it again, does not
//     tell the outer answer's headers, and gives up on an item without a JSON
//     body. A batch here is the same request bytes side by side (contract 7).
//   - Answers of writes are whole events (Graph has no $select there) of which
//     six fields matter; the models would build all of it.
//
// # Rules
//
// Every call and every batch item carries Prefer: IdType="ImmutableId"
// (contract 10). One call is a plain request, 2 to 20 are one $batch. Nothing is
// sent twice, except once after a 401, with a fresh token, and then only the
// items that got the 401: it says that nothing was done. Each request to Graph
// ends after Options.Timeout. `attendees` is never written (invariant I5).
//
// A failure without an answer is Unanswered from the moment the request's
// headers were written; a refused connection is not. A success whose body cannot
// be read is Unanswered too: it happened, but nobody knows what came of it. So
// are 408, 502 and 504, by graph.Classify.
//
// # Guessed
//
// If-Match takes W/"<change key>" (contract 2.4, question 7). A batch item's
// Prefer and If-Match go into its headers (contract 7, tag K). createdDateTime
// can be selected on /events (only calendarView is known to refuse it). A claims
// challenge with a 401 is not passed on: client capability cp1 is not declared
// (identity.md section 4), so Graph sends none; a fresh token is asked for anyway.
//
// No error holds an address, subject, body or token; *url.Error is unwrapped
// because its text has the URL, which names the mailbox.
package msgraph

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/calbridge/calbridge/shared/graph"
	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoft/kiota-abstractions-go/authentication"
	kiotahttp "github.com/microsoft/kiota-http-go"
	kiotajson "github.com/microsoft/kiota-serialization-json-go"
	graphcore "github.com/microsoftgraph/msgraph-sdk-go-core"
)

// Tokens gives tokens for Graph: the app's own for an access of the app, the
// person's for one that names a connection; it is never asked where the access
// brings its token. fresh asks for one that was not issued before this call. An error that has TokenFailure in its chain is
// classified by it; any other is Transient.
type Tokens interface {
	Token(ctx context.Context, as graph.Access, fresh bool) (string, error)
}

// TokenFailure is what the token endpoint said, in an error of Tokens: OAuth's
// error, with "/" and the suberror where there is one, the AADSTS numbers, the
// HTTP status (0: no answer) and how long it asks to wait.
type TokenFailure interface {
	TokenFailure() (code string, aadsts []int, status int, retryAfter time.Duration)
}

// MaxCalls is how many calls one Do takes: Graph's limit of a batch.
const MaxCalls = 20

// Options of a Client; the zero value of each field takes its default.
type Options struct {
	// Endpoint is Graph's origin, https://graph.microsoft.com by default. http is
	// accepted on loopback only.
	Endpoint string
	// Timeout of each request to Graph, 20 s by default (write-path.md section 1).
	Timeout time.Duration
	// MaxAnswer is how many bytes of an answer are read, 8 MiB by default.
	MaxAnswer int64
	// Transport carries the requests; by default a clone of net/http's.
	Transport http.RoundTripper
	// Now is the clock for answers without a Date, time.Now by default.
	Now func() time.Time
}

// Client makes calendar calls with the app's and with people's tokens. It is safe for concurrent use.
type Client struct {
	tokens    Tokens
	base      *url.URL // ends in /v1.0
	http      *http.Client
	adapter   abstractions.RequestAdapter // encodes the SDK's models; never sends
	timeout   time.Duration
	maxAnswer int64
	now       func() time.Time
}

var _ graph.Calendar = (*Client)(nil)

// New returns a client that takes its tokens from tokens. opts may be nil.
func New(tokens Tokens, opts *Options) (*Client, error) {
	o := Options{}
	if opts != nil {
		o = *opts
	}
	base, err := parseEndpoint(o.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("msgraph.New: %w", err)
	}
	c := &Client{tokens: tokens, base: base, timeout: o.Timeout, maxAnswer: o.MaxAnswer, now: o.Now}
	if c.timeout <= 0 {
		c.timeout = 20 * time.Second
	}
	if c.maxAnswer <= 0 {
		c.maxAnswer = 8 << 20
	}
	if c.now == nil {
		c.now = time.Now
	}
	c.http = newHTTPClient(o.Transport)
	c.adapter, err = kiotahttp.NewNetHttpRequestAdapterWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(
		&authentication.AnonymousAuthenticationProvider{}, kiotajson.NewJsonParseNodeFactory(),
		kiotajson.NewJsonSerializationWriterFactory(), c.http)
	if err != nil {
		return nil, fmt.Errorf("msgraph.New: %w", err)
	}
	return c, nil
}

// newHTTPClient chooses the middleware chain: telemetry, and nothing that
// retries, sleeps, compresses or follows.
func newHTTPClient(parent http.RoundTripper) *http.Client {
	if parent == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConns, t.MaxIdleConnsPerHost = 128, 128
		t.MaxResponseHeaderBytes = 256 << 10
		// A dead HTTP/2 connection is noticed before it costs a call its 20 s.
		t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second}
		parent = t
	}
	telemetry := graphcore.NewGraphTelemetryHandler(&graphcore.GraphClientOptions{})
	return &http.Client{
		Transport:     kiotahttp.NewCustomTransportWithParentTransport(parent, telemetry),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func parseEndpoint(endpoint string) (*url.URL, error) {
	if endpoint == "" {
		endpoint = "https://graph.microsoft.com"
	}
	u, err := url.Parse(strings.TrimSuffix(endpoint, "/"))
	if err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, errors.New("the endpoint is not an origin")
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())) {
		return nil, errors.New("the endpoint is neither https nor http on loopback")
	}
	u.Path = "/v1.0"
	return u, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Mailbox implements graph.Calendar.
func (c *Client) Mailbox(ctx context.Context, as graph.Access, address string) (graph.Mailbox, error) {
	req, err := c.mailboxRequest(ctx, as.Path(address))
	if err != nil {
		return graph.Mailbox{}, refused(err)
	}
	answers, failure := c.authorised(ctx, as, []request{req})
	if failure != nil {
		return graph.Mailbox{}, failure
	}
	m, failure := decodeMailbox(answers[0])
	if failure != nil {
		return graph.Mailbox{}, failure
	}
	return m, nil
}

// Do implements graph.Calendar.
func (c *Client) Do(ctx context.Context, as graph.Access, calls []graph.Call) []graph.Result {
	results := make([]graph.Result, len(calls))
	if len(calls) > MaxCalls {
		for i := range results {
			results[i].Err = refused(fmt.Errorf("%d calls, at most %d", len(calls), MaxCalls))
		}
		return results
	}
	var sent []int // indices into calls
	var requests []request
	for i, call := range calls {
		call.Mailbox = as.Path(call.Mailbox)
		req, err := c.build(ctx, call)
		if err != nil {
			results[i].Err = refused(err)
			continue
		}
		sent, requests = append(sent, i), append(requests, req)
	}
	if len(requests) == 0 {
		return results
	}
	answers, failure := c.authorised(ctx, as, requests)
	for n, i := range sent {
		if failure != nil {
			results[i].Err = failure
			continue
		}
		results[i] = c.result(ctx, as, calls[i], answers[n])
	}
	return results
}

// authorised sends requests with a token, and those that got a 401 once more
// with a fresh one; a token that the access brings is never renewed. It returns one answer per request, or why there is no token.
func (c *Client) authorised(ctx context.Context, as graph.Access, requests []request) ([]answer, *graph.Error) {
	token, err := c.token(ctx, as, false)
	if err != nil {
		return nil, tokenError(err)
	}
	answers := c.send(ctx, token, requests)
	var again []int
	for i, a := range answers {
		if a.status == http.StatusUnauthorized {
			again = append(again, i)
		}
	}
	if len(again) == 0 || as.Token != "" {
		return answers, nil
	}
	token, err = c.token(ctx, as, true)
	if err != nil {
		failure := tokenError(err)
		for _, i := range again {
			answers[i] = answer{failure: failure}
		}
		return answers, nil
	}
	repeated := make([]request, len(again))
	for n, i := range again {
		repeated[n] = requests[i]
	}
	for n, a := range c.send(ctx, token, repeated) {
		answers[again[n]] = a
	}
	return answers, nil
}

// token is the token of an access: its own, or what Tokens gives.
func (c *Client) token(ctx context.Context, as graph.Access, fresh bool) (string, error) {
	if as.Token != "" {
		return as.Token, nil
	}
	return c.tokens.Token(ctx, as, fresh)
}

// tokenError turns an error of Tokens into a graph.Error. Nothing was sent.
func tokenError(err error) *graph.Error {
	var failure TokenFailure
	if !errors.As(err, &failure) {
		return &graph.Error{Kind: graph.Transient, Cause: err}
	}
	code, aadsts, status, retryAfter := failure.TokenFailure()
	e := graph.ClassifyToken(code, aadsts, status)
	e.RetryAfter, e.Cause = retryAfter, err
	return e
}

// refused is the failure of a call that is not fit to be sent.
func refused(err error) *graph.Error {
	return &graph.Error{Kind: graph.Invalid, Reason: graph.ReasonRefused, Cause: err}
}
