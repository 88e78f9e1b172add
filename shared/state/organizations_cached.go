package state

import (
	"context"
	"sync"
	"time"

	"github.com/calbridge/calbridge/shared/organization"
)

// CacheTime is how long a row of an organisation may be used after it was read
// (write-path.md section 1): processes share no memory, so nobody is told of a change.
const CacheTime = 15 * time.Second

// cacheSize bounds the memory of a process that serves very many organisations.
const cacheSize = 4096

// CachedOrganizations answers from memory for CacheTime. It is safe for
// concurrent use.
//
// Only what was found is kept: an organisation that was just made is there at
// once, and a failed read is never taken for an absent row.
type CachedOrganizations struct {
	source *Organizations
	now    func() time.Time

	mu    sync.Mutex
	known map[string]cachedOrganization
	// consented is the latest consent seen of each tenant.
	consented map[string]time.Time
}

type cachedOrganization struct {
	organization organization.Organization
	read         time.Time // before the read began
}

// NewCachedOrganizations returns a cache over source.
func NewCachedOrganizations(source *Organizations, now func() time.Time) *CachedOrganizations {
	return &CachedOrganizations{source: source, now: now, known: map[string]cachedOrganization{}, consented: map[string]time.Time{}}
}

// Organization returns an organisation as it was at most CacheTime ago. The
// result shares no memory with the cache. ErrNotFound: there is none, or it was
// deleted. Any other error: it could not be read.
func (c *CachedOrganizations) Organization(ctx context.Context, id string) (organization.Organization, error) {
	now := c.now()
	c.mu.Lock()
	hit, ok := c.known[id]
	c.mu.Unlock()
	if age := now.Sub(hit.read); ok && age >= 0 && age < CacheTime {
		return hit.organization.Clone(), nil
	}
	o, _, err := c.source.Get(ctx, id)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		delete(c.known, id)
		return organization.Organization{}, err
	}
	if len(c.known) >= cacheSize {
		clear(c.known)
	}
	if len(c.consented) >= cacheSize {
		clear(c.consented) // costs every tenant one token
	}
	c.known[id] = cachedOrganization{o.Clone(), now}
	if s := o.State; s.Tenant != "" && s.ConsentedAt.After(c.consented[s.Tenant]) {
		c.consented[s.Tenant] = s.ConsentedAt
	}
	return o, nil
}

// ConsentVersion names the latest consent of a tenant that this process has seen,
// "" for none: tokens from before a consent lack what it gave (identity.md section
// 2). Whoever needs a token for a tenant has just read its organisation, so that
// this is as fresh as that, and it reads nothing.
func (c *CachedOrganizations) ConsentVersion(tenant string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.consented[tenant]
	if !ok {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}
