package link_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/link"
)

var origins = []string{"https://app.example.com", "https://two.example.com:8443", "http://127.0.0.1:7072", "http://[::1]:7072"}

func TestPeopleReturnOnlyToAllowedOrigins(t *testing.T) {
	for to, want := range map[string]bool{
		"https://app.example.com":                        true,
		"https://app.example.com/":                       true,
		"https://APP.example.com:443/a?b=c#d":            true,
		"HTTPS://app.example.com/":                       true,
		"https://two.example.com:8443/x":                 true,
		"http://127.0.0.1:7072/":                         true,
		"http://[::1]:7072/":                             true,
		"https://two.example.com/":                       false,
		"http://app.example.com/":                        false,
		"https://app.example.com.evil.example/":          false,
		"https://evil.example/?https://app.example.com/": false,
		"https://app.example.com@evil.example/":          false,
		"https://evil.example\\@app.example.com/":        false,
		"https://app.example.com\\.evil.example/":        false,
		"https:\\\\app.example.com/":                     false,
		"https://user@app.example.com/":                  false,
		"//app.example.com/":                             false,
		"/path":                                          false,
		"https:app.example.com":                          false,
		"https:///app.example.com/":                      false,
		"javascript:alert(1)//https://app.example.com/":  false,
		"https://app.example.com:/":                      true,
		" https://app.example.com/":                      false,
		"https://app.example.com/\r\nX: y":               false,
		"https://app.example.com/\ta":                    false,
		"https://app.example.com:4431/":                  false,
		"https://app.exämple.com/":                       false,
		"https://app%2eexample.com/":                     false,
		"":                                               false,
	} {
		if got := link.MayReturn(to, origins); got != want {
			t.Errorf("%q: %v", to, got)
		}
	}
}

func TestEveryRoleHasItsMembers(t *testing.T) {
	for body, want := range map[string]string{
		`{"organization":"acme","role":"user"}`:                                    "/user required",
		`{"organization":"acme","role":"room-manager","user":null}`:                "/user required",
		`{"organization":"acme","role":"org-admin"}`:                               "",
		`{"organization":"acme","role":"entra-admin"}`:                             "",
		`{"organization":"acme","role":"entra-admin","email":"a@b.example"}`:       "",
		`{"organization":"acme","role":"user","user":5}`:                           "/user type",
		`{"organization":"acme","role":"user","user":"a\u0007"}`:                   "/user format",
		`{"role":"User","user":"u"}`:                                               "/organization required, /role value",
		`{"organization":"acme","role":"user","user":"u","expiresInMinutes":0}`:    "/expiresInMinutes range",
		`{"organization":"acme","role":"user","user":"u","expiresInMinutes":1.5}`:  "/expiresInMinutes type",
		`{"organization":"acme","role":"user","user":"u","expiresInMinutes":1e30}`: "/expiresInMinutes type",
		`{"organization":"acme","role":"user","user":"u","locale":"fi_FI"}`:        "/locale format",
		`{"organization":"acme","role":"user","user":"u","email":"a b@c.example"}`: "/email format",
		`{"organization":"acme","role":"user","user":"u","":1,"a/b":2}`:            "/ unknown-member, /a~1b unknown-member",
		`{"organization":"acme","role":"user","user":"u","role":"org-admin"}`:      "/role duplicate-member",
		`{"organization":"acme","role":"org-admin","\u0072ole":"user"}`:            "/role duplicate-member",
		`[]`:     " type",
		`{`:      " syntax",
		`{}{}`:   " syntax",
		"{\xff}": " encoding",
		`null`:   " type",
	} {
		_, faults := link.Decode([]byte(body), origins)
		var got []string
		for _, f := range faults {
			got = append(got, f.Pointer+" "+f.Code)
			if f.Detail == "" {
				t.Errorf("%s: no sentence for %s", body, f.Pointer)
			}
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %s, want %s", body, strings.Join(got, ", "), want)
		}
	}
}

// RFC 5646 (BCP 47), section 2.1: also with an extension, a private part, or a script; the
// appendix's examples. One that is not spoken here is English, not a fault.
func TestALocaleIsAnyLanguageTag(t *testing.T) {
	for tag, want := range map[string]bool{
		"en": true, "nb": true, "de-AT": true, "zh-Hant-TW": true, "sl-rozaj-biske-1994": true, "de-CH-1901": true, "es-419": true, "hsb": true,
		"de-DE-u-co-phonebk": true, "en-US-x-twain": true, "az-Arab-x-AZE-derbend": true, "en-a-bbb-x-a-ccc": true, "FI": true,
		"": true, "fi_FI": false, "f": false, "en-": false, "-en": false, "en--GB": false, "de-abcdefghi": false, "en<b>": false, "e1": false,
		"en\u0000": false, "*": false, "x-" + strings.Repeat("a-", 20) + "a": false,
	} {
		body, err := json.Marshal(map[string]string{"organization": "acme", "role": "org-admin", "locale": tag})
		if err != nil {
			t.Fatal(err)
		}
		if _, faults := link.Decode(body, origins); (len(faults) == 0) != want {
			t.Errorf("%q: %v", tag, faults)
		}
	}
}

func FuzzARequestIsFaultyOrKeepsTheRules(f *testing.F) {
	f.Add([]byte(`{"organization":"acme","role":"user","user":"u","email":"a@b.example","locale":"fi","returnUrl":"https://app.example.com/x","expiresInMinutes":5}`))
	f.Add([]byte(`{"organization":"acme","role":"entra-admin","expiresInMinutes":43200}`))
	f.Add([]byte(`{"organization":"acme","role":"org-admin","returnUrl":"https://app.example.com\\.evil.example"}`))
	f.Add([]byte(`{"organization":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, faults := link.Decode(body, origins)
		if len(faults) > 0 {
			if r != (link.Request{}) {
				t.Errorf("faults and a request: %+v", r)
			}
			return
		}
		if !json.Valid(body) || !slices.Contains(link.Roles(), r.Role) || r.Life < time.Minute || r.Life > 30*24*time.Hour {
			t.Errorf("%s gives %+v", body, r)
		}
		if r.ReturnURL != "" {
			u, err := url.Parse(r.ReturnURL)
			if err != nil || !slices.ContainsFunc(origins, func(o string) bool {
				return strings.HasPrefix(o, u.Scheme+"://"+strings.ToLower(u.Hostname())) || u.Hostname() == "::1"
			}) {
				t.Errorf("people return to %q", r.ReturnURL)
			}
		}
	})
}
