package portal

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"time"
)

// A secret of a cookie or state parameter is 32 random bytes, base64url: 43 characters.
const secretSize = 32

// newSecret returns a secret.
func newSecret() string {
	var b [secretSize]byte
	rand.Read(b[:]) // never fails since Go 1.24
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// hash is the SHA-256 of a secret, base64url: what rows have of it.
func hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// same compares hashes; an empty one equals nothing.
func same(a, b string) bool {
	return a != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}

// isSecret reports whether s has the form of a secret, in its one spelling.
func isSecret(s string) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(b) == secretSize
}

// isID reports whether s has the form of our ids: 26 characters of base32.
func isID(s string) bool {
	if len(s) != 26 {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '2' || c > '7') {
			return false
		}
	}
	return true
}

// cookieName is that of a grant, a flow, or of "form". Browsers take a name with
// __Host- only with Secure, Path=/ and no Domain, so that no neighbouring host can
// plant one; plain http, which is loopback, cannot have it.
func (p *Portal) cookieName(id string) string {
	if p.secure {
		return "__Host-cb-" + id
	}
	return "cb-" + id
}

// cookie is the value of a cookie of ours; false where there is none or where it is no
// secret.
func (v *visit) cookie(id string) (string, bool) {
	c, err := v.request.Cookie(v.portal.cookieName(id))
	if err != nil || !isSecret(c.Value) {
		return "", false
	}
	return c.Value, true
}

// setCookie gives the browser a cookie with the answer, for life.
func (v *visit) setCookie(id, value string, life time.Duration) {
	v.cookies = append(v.cookies, &http.Cookie{Name: v.portal.cookieName(id), Value: value, Path: "/", Secure: v.portal.secure,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(life / time.Second)})
}
