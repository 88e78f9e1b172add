package entra

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/url"
	"strings"
	"time"
)

// codeLasts is how long a code may be redeemed; codeKnown how long a used or late one
// is still told apart from one that never was (13.2).
const (
	codeLasts = 10 * time.Minute
	codeKnown = 24 * time.Hour
)

// grant is what a code or a refresh token stands for.
type grant struct {
	client   string
	subject  *account // in the tenant that was signed in to
	home     *account
	asked    asked
	sid      string
	signedIn time.Time
	mfa      bool
	number   int64
	at       time.Time // issued
}

// code is an authorization code.
type code struct {
	grant
	path, redirect, challenge, nonce string
	used                             bool
}

// byCode redeems a code (13.2). It needs the lock.
func (s *Server) byCode(c *client, form url.Values) (map[string]any, *refusal) {
	for value, old := range s.codes {
		if s.now().Sub(old.at) > codeKnown {
			delete(s.codes, value)
		}
	}
	if form.Get("code") == "" || form.Get("redirect_uri") == "" {
		return nil, refused(900144)
	}
	k := s.codes[form.Get("code")]
	switch {
	case k == nil, k.client != c.id:
		return nil, refused(70000)
	case !c.serves(k.path, k.subject.tenant):
		return nil, refused(700005)
	case k.used:
		return nil, refused(54005)
	case s.now().Sub(k.at) > codeLasts:
		return nil, refused(70008)
	case k.redirect != form.Get("redirect_uri"):
		return nil, refused(50011)
	case !proves(form.Get("code_verifier"), k.challenge):
		return nil, refused(501481)
	}
	wanted, no := k.narrowed(form)
	if no != nil {
		return nil, no
	}
	if no := s.entitled(&k.grant, wanted); no != nil {
		return nil, no
	}
	k.used = true
	return s.answer(c, k.grant, wanted, k.nonce, form)
}

// proves checks a PKCE verifier (RFC 7636). One without a challenge is as wrong as
// none with one.
func proves(verifier, challenge string) bool {
	if verifier == "" || challenge == "" {
		return verifier == challenge
	}
	sum := sha256.Sum256([]byte(verifier))
	return len(verifier) >= 43 && len(verifier) <= 128 &&
		subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(challenge)) == 1
}

// narrowed is what a token request asks of a grant: its scope parameter, or all that
// the sign-in asked.
func (g *grant) narrowed(form url.Values) (asked, *refusal) {
	if strings.TrimSpace(form.Get("scope")) == "" {
		return g.asked, nil
	}
	wanted, number := parseScope(form.Get("scope"))
	if number != 0 {
		return wanted, refused(number)
	}
	return wanted, nil
}

// entitled checks that user and consent still stand. It needs the lock.
func (s *Server) entitled(g *grant, wanted asked) *refusal {
	p := g.subject.tenant.principals[g.client]
	switch {
	case g.subject.disabled, g.home.disabled:
		return refused(50057)
	case g.number <= g.subject.revoked, g.number <= g.home.revoked:
		return refused(50173)
	case p == nil:
		return refused(700016)
	case p.disabled:
		return refused(7000112)
	case p.lacks(wanted, g.subject.ObjectID):
		return refused(65001)
	}
	return nil
}
