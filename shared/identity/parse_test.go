package identity

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
)

// Whatever is read before a signature is verified, nothing panics, and what passes is
// RS256 of a tenant with a GUID.
func FuzzPeek(f *testing.F) {
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	f.Add(part(`{"alg":"RS256"}`) + "." + part(`{"tid":"11111111-1111-4111-8111-111111111111","iss":"x","aud":["a"]}`) + ".c2ln")
	f.Add(part(`{"alg":"none"}`) + "." + part(`{}`) + ".")
	f.Add("a.b.c")
	f.Add("..")
	f.Fuzz(func(t *testing.T, raw string) {
		p, err := peek(raw)
		if err != nil {
			return
		}
		if _, ok := guid(p.Tenant); !ok || p.Algorithm != "RS256" {
			t.Errorf("%+v", p)
		}
	})
}

// Only RSA keys with a name and a good size are read from a key document.
func FuzzReadKeys(f *testing.F) {
	f.Add(`{"keys":[{"kty":"RSA","kid":"1","n":"` + strings.Repeat("_", 342) + `","e":"AQAB","use":"sig","issuer":"x"}]}`)
	f.Add(`{"keys":[{"kty":"oct","kid":"1","k":"AAAA"},{"kty":"EC","crv":"P-256","kid":"2","x":"AA","y":"AA"},null,7]}`)
	f.Fuzz(func(t *testing.T, body string) {
		keys, err := readKeys([]byte(body))
		if err != nil && keys != nil {
			t.Error("keys with an error")
		}
		for kid, k := range keys {
			if kid == "" || k.public == nil || k.public.N.BitLen() < minKeyBits {
				t.Errorf("%q: %+v", kid, k)
			}
		}
	})
}

func TestOnlyRSAKeysForSigningAreBelieved(t *testing.T) {
	long := strings.Repeat("_", 342)
	keys, err := readKeys([]byte(`{"keys":[
		{"kty":"RSA","kid":"good","n":"` + long + `","e":"AQAB","issuer":"i"},
		{"kty":"RSA","kid":"for encryption","use":"enc","n":"` + long + `","e":"AQAB"},
		{"kty":"RSA","kid":"short","n":"` + long[:100] + `","e":"AQAB"},
		{"kty":"RSA","n":"` + long + `","e":"AQAB"},
		{"kty":"oct","kid":"oct","k":"c2VjcmV0"}]}`))
	if err != nil || len(keys) != 1 || keys["good"].issuer != "i" {
		t.Errorf("%v, %v", keys, err)
	}
}

// What MSAL's cache is cut down to holds no access token, no id token, and nobody else.
func FuzzRefreshOnly(f *testing.F) {
	f.Add(`{"AccessToken":{"a":{"secret":"x"}},"RefreshToken":{"r":{"home_account_id":"me","secret":"y"}},"IdToken":{"i":{}},"AppMetadata":{"m":{}}}`, "me")
	f.Add(`{"RefreshToken":{"r":{"home_account_id":"other"}}}`, "me")
	f.Add(`null`, "")
	f.Fuzz(func(t *testing.T, whole, home string) {
		kept, err := refreshOnly([]byte(whole), home)
		if err != nil {
			return
		}
		var all map[string]map[string]struct {
			Home string `json:"home_account_id"`
		}
		if err := json.Unmarshal(kept, &all); err != nil {
			return // metadata of another shape, which MSAL judges
		}
		for kind, entries := range all {
			if kind != "RefreshToken" && kind != "AppMetadata" {
				t.Errorf("%s is kept", kind)
			}
			for _, e := range entries {
				if kind == "RefreshToken" && e.Home != home {
					t.Errorf("another account's is kept")
				}
			}
		}
	})
}

func TestACacheOfSomebodyElseIsRefused(t *testing.T) {
	if _, err := refreshOnly([]byte(`{"RefreshToken":{"a":{"home_account_id":"me"},"b":{"home_account_id":"you"}}}`), "me"); err == nil {
		t.Error("accepted")
	}
}
