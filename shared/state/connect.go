package state

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
)

// The emulator's account is public knowledge and the same everywhere.
const (
	// DevelopmentAccount and DevelopmentKey are what Azurite and local/tables accept.
	DevelopmentAccount = "devstoreaccount1"
	DevelopmentKey     = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

	developmentTables = "http://127.0.0.1:10002/" + DevelopmentAccount
)

// Options are what may be left out; nil means the defaults.
type Options struct {
	// Timeout is for one try; 0 means 10 s. The caller's context bounds the whole.
	Timeout time.Duration
	// Parallel is how many connections are kept open for reuse; 0 means 64, the
	// sessions that one instance serves at once (write-path.md section 1).
	Parallel int
	// Transport replaces the default one, in tests.
	Transport http.RoundTripper
}

// ErrConnection is wrapped by the constructors: the setting is not usable. The
// text names what is wrong with it and never its value.
var ErrConnection = errors.New("table connection")

// NewAzure connects with a connection string: account and key with TableEndpoint,
// or with EndpointSuffix, or UseDevelopmentStorage=true. An endpoint with http is
// accepted on loopback only. Nothing is sent yet.
func NewAzure(connection string, options *Options) (*Azure, error) {
	parts, err := connectionParts(connection)
	if err != nil {
		return nil, err
	}
	endpoint, err := parts.endpoint()
	if err != nil {
		return nil, err
	}
	cred, err := aztables.NewSharedKeyCredential(parts["AccountName"], parts["AccountKey"])
	if err != nil {
		return nil, fmt.Errorf("%w: AccountKey is not base64", ErrConnection)
	}
	a, clientOptions := newAzure(endpoint, options)
	if a.service, err = aztables.NewServiceClientWithSharedKey(endpoint, cred, clientOptions); err != nil {
		return nil, fmt.Errorf("%w: refused by aztables", ErrConnection)
	}
	return a, nil
}

// NewAzureWithToken connects to a service URI such as
// https://account.table.core.windows.net with Entra tokens, which travel over
// https only. Nothing is sent yet.
func NewAzureWithToken(serviceURI string, cred azcore.TokenCredential, options *Options) (*Azure, error) {
	endpoint, err := checkEndpoint(serviceURI)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(endpoint, "https:") {
		return nil, fmt.Errorf("%w: a token needs https", ErrConnection)
	}
	a, clientOptions := newAzure(endpoint, options)
	if a.service, err = aztables.NewServiceClient(endpoint, cred, clientOptions); err != nil {
		return nil, fmt.Errorf("%w: refused by aztables", ErrConnection)
	}
	return a, nil
}

// newAzure makes all but the SDK's client. Writes are sent once: a retried insert
// whose first answer was lost would come back as a false EntityAlreadyExists, a
// conditional update as a false 412. Reads ask for retries themselves.
func newAzure(endpoint string, options *Options) (*Azure, *aztables.ClientOptions) {
	o := Options{Timeout: 10 * time.Second, Parallel: 64}
	if options != nil {
		o.Transport = options.Transport
		if options.Timeout > 0 {
			o.Timeout = options.Timeout
		}
		if options.Parallel > 0 {
			o.Parallel = options.Parallel
		}
	}
	if o.Transport == nil {
		o.Transport = newTransport(o.Parallel)
	}
	client := &http.Client{Transport: o.Transport, CheckRedirect: noRedirect}
	a := &Azure{endpoint: endpoint, timeout: o.Timeout, client: client}
	return a, &aztables.ClientOptions{ClientOptions: policy.ClientOptions{
		PerCallPolicies: []policy.Policy{exchangePolicy{}},
		Retry:           policy.RetryOptions{MaxRetries: -1, TryTimeout: o.Timeout},
		Telemetry:       policy.TelemetryOptions{Disabled: true},
		Transport:       a.client,
	}}
}

// newTransport keeps connections alive for a little less than the four minutes
// after which Azure's load balancers forget them. HTTP/1.1, which is all the
// table service speaks, never re-sends a write that may have arrived.
func newTransport(parallel int) *http.Transport {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   5 * time.Second,
		MaxIdleConns:          parallel,
		MaxIdleConnsPerHost:   parallel,
		IdleConnTimeout:       3 * time.Minute,
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true, // the service sends none, and bodies are read raw
	}
}

// noRedirect: the service never redirects, and a followed redirect would turn a
// write into a GET whose 200 means nothing.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

type connectionSettings map[string]string

func connectionParts(s string) (connectionSettings, error) {
	parts := connectionSettings{}
	for part := range strings.SplitSeq(strings.Trim(strings.TrimSpace(s), ";"), ";") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("%w: expected name=value pairs joined by semicolons", ErrConnection)
		}
		parts[name] = value
	}
	if strings.EqualFold(parts["UseDevelopmentStorage"], "true") {
		parts["AccountName"], parts["AccountKey"] = DevelopmentAccount, DevelopmentKey
		parts["TableEndpoint"] = developmentTables
	}
	if parts["SharedAccessSignature"] != "" {
		return nil, fmt.Errorf("%w: a shared access signature is not supported; use the account key or a managed identity", ErrConnection)
	}
	for _, name := range []string{"AccountName", "AccountKey"} {
		if parts[name] == "" {
			return nil, fmt.Errorf("%w: %s is missing", ErrConnection, name)
		}
	}
	return parts, nil
}

func (p connectionSettings) endpoint() (string, error) {
	if p["TableEndpoint"] != "" {
		return checkEndpoint(p["TableEndpoint"])
	}
	scheme, suffix := p["DefaultEndpointsProtocol"], p["EndpointSuffix"]
	if scheme == "" {
		scheme = "https"
	}
	if suffix == "" {
		suffix = "core.windows.net"
	}
	return checkEndpoint(scheme + "://" + p["AccountName"] + ".table." + suffix)
}

// checkEndpoint returns the endpoint without a slash at its end.
func checkEndpoint(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || len(s) > 256 {
		return "", fmt.Errorf("%w: the endpoint is not a plain URL", ErrConnection)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return "", fmt.Errorf("%w: the endpoint must be https (http on loopback only)", ErrConnection)
	}
	return strings.TrimRight(s, "/"), nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
