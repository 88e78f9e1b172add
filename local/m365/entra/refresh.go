package entra

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"time"
)

// refreshIdle is how long a refresh token lives unused (13.2).
const refreshIdle = 90 * 24 * time.Hour

// byRefresh gives new tokens for a refresh token, and a new refresh token; the old one
// stays good for its own 90 days (13.2). It needs the lock.
func (s *Server) byRefresh(c *client, form url.Values) (map[string]any, *refusal) {
	if form.Get("refresh_token") == "" {
		return nil, refused(900144)
	}
	g := s.refreshes[form.Get("refresh_token")]
	switch {
	case g == nil, g.client != c.id, !c.serves("", g.subject.tenant):
		return nil, refused(70000)
	case s.now().Sub(g.at) > refreshIdle:
		return nil, refused(700082)
	}
	wanted, no := g.narrowed(form)
	if no != nil {
		return nil, no
	}
	if no := s.entitled(g, wanted); no != nil {
		return nil, no
	}
	if no := s.passes(g); no != nil {
		return nil, no
	}
	return s.answer(c, *g, wanted, "", form)
}

// passes applies the tenant's policy to a refresh, which comes from the app's server.
func (s *Server) passes(g *grant) *refusal {
	t := g.subject.tenant
	p := t.principals[g.client]
	switch number := t.policy.Server.stops(g.subject, g.mfa); {
	case p != nil && len(p.assigned) > 0 && !slices.Contains(p.assigned, g.subject.ObjectID):
		return refused(50105)
	case number == 50076:
		return &refusal{number: number, claims: challenge(t)}
	case number != 0:
		return &refusal{number: number, code: s.switches.BlockedError, claims: challenge(t)}
	case t.policy.SignInFrequency > 0 && s.now().Sub(g.signedIn) >= t.policy.SignInFrequency:
		return refused(70043)
	}
	return nil
}

// challenge is the claims of a Conditional Access refusal, to be passed to the next
// sign-in.
func challenge(t *tenant) string {
	return `{"access_token":{"capolids":{"essential":true,"values":["` + t.id + `"]}}}`
}

// answer makes the response of a code or refresh token (13.2). It needs the lock.
func (s *Server) answer(c *client, g grant, wanted asked, nonce string, form url.Values) (map[string]any, *refusal) {
	p := g.subject.tenant.principals[g.client]
	scopes := p.named(wanted, g.subject.ObjectID)
	value, err := s.signDelegated(c, g, scopes)
	if err != nil {
		return nil, refused(90033)
	}
	seconds := int(s.lifetime / time.Second)
	out := map[string]any{"token_type": "Bearer", "scope": wanted.spell(scopes), "expires_in": seconds, "ext_expires_in": seconds, "access_token": value}
	if wanted.has("offline_access") || form.Get("grant_type") == "refresh_token" {
		out["refresh_token"] = s.renew(g)
	}
	if wanted.has("openid") {
		if out["id_token"], err = s.signIdentity(c, g, wanted, nonce); err != nil {
			return nil, refused(90033)
		}
	}
	if form.Get("client_info") == "1" {
		out["client_info"] = clientInfo(g.home)
	}
	return out, nil
}

// renew makes a refresh token of a grant.
func (s *Server) renew(g grant) string {
	s.issued++
	next := g
	next.at, next.number = s.now(), s.issued
	b := make([]byte, 96)
	rand.Read(b) // never fails
	value := "1." + base64.RawURLEncoding.EncodeToString(b)
	if s.issued%256 == 0 {
		s.forgetRefreshes()
	}
	s.refreshes[value] = &next
	return value
}

// forgetRefreshes drops tokens that have been dead for as long as they lived.
func (s *Server) forgetRefreshes() {
	for value, g := range s.refreshes {
		if s.now().Sub(g.at) > 2*refreshIdle {
			delete(s.refreshes, value)
		}
	}
}

// named is what a token for the request may do: what was asked, and whatever was
// granted for all users.
func (p *principal) named(wanted asked, user string) []string {
	names := append(slices.Clone(wanted.names), p.grants[""]...)
	if wanted.all {
		names = append(names, p.granted(user)...)
	}
	asksOIDC := func(n string) bool { return isOIDC(n) && !wanted.has(n) }
	return slices.DeleteFunc(union(names, nil), asksOIDC)
}

// clientInfo names the account at home, as MSAL reads it.
func clientInfo(home *account) string {
	b, err := json.Marshal(map[string]string{"uid": home.ObjectID, "utid": home.tenant.id})
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(b)
}
