package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Domains asks Entra which tenant a verified domain belongs to.
//
// Entra answers a tenant's discovery document also at the path of each of its
// verified domains (graph/contract.md 13.1), and the issuer in it names the tenant
// by GUID. That is judged by Microsoft and needs no sign-in; the domain of a user
// name would prove nothing, since a guest's is of another tenant.
type Domains struct {
	base   string
	client *http.Client
}

// NewDomains returns the questions to an authority, Entra's origin
// (https://login.microsoftonline.com where it is ""), over a transport (nil: a clone
// of net/http's).
func NewDomains(authority string, transport http.RoundTripper) (*Domains, error) {
	u, err := origin(authority, "https://login.microsoftonline.com")
	if err != nil {
		return nil, fmt.Errorf("identity.NewDomains: authority: %w", err)
	}
	return &Domains{base: "https://" + u.Host, client: newHTTPClient(transport, u)}, nil
}

// ErrNoDomain: what was asked for is not the name of a domain. Nothing was sent.
var ErrNoDomain = errors.New("identity: not a domain")

var domainName = regexp.MustCompile(`^[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+$`)

// TenantOf returns the GUID, in lower case, of the tenant that has verified a
// domain, "" when Entra says that there is none. Any other answer is an error. One
// request, without a retry.
func (d *Domains) TenantOf(ctx context.Context, domain string) (string, error) {
	if len(domain) > 253 || !domainName.MatchString(domain) {
		return "", ErrNoDomain
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.base+"/"+url.PathEscape(domain)+"/v2.0/.well-known/openid-configuration", nil)
	if err != nil {
		return "", fmt.Errorf("identity.TenantOf: %w", err)
	}
	resp, err := d.client.Do(r)
	if err != nil {
		return "", errors.New("identity.TenantOf: Entra was not reached")
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		return "", errors.New("identity.TenantOf: the answer broke off")
	}
	switch resp.StatusCode {
	case http.StatusOK:
		return tenantOfIssuer(body)
	case http.StatusBadRequest:
		if e := decodeError(resp.StatusCode, resp.Header, body); slices.Contains(e.AADSTS, 90002) || e.Code == "invalid_tenant" {
			return "", nil
		}
	}
	return "", fmt.Errorf("identity.TenantOf: Entra answered %d", resp.StatusCode)
}

// tenantOfIssuer reads https://<host>/<GUID>/v2.0.
func tenantOfIssuer(body []byte) (string, error) {
	var document struct {
		Issuer string `json:"issuer"`
	}
	if err := json.Unmarshal(body, &document); err != nil {
		return "", errors.New("identity.TenantOf: the discovery document is not JSON")
	}
	u, err := url.Parse(document.Issuer)
	if err != nil {
		return "", errors.New("identity.TenantOf: no issuer")
	}
	id, err := uuid.Parse(strings.TrimSuffix(strings.Trim(u.Path, "/"), "/v2.0"))
	if err != nil {
		return "", errors.New("identity.TenantOf: the issuer names no tenant")
	}
	return id.String(), nil
}
