package mailaddress

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/idna"
)

func TestPersonal(t *testing.T) {
	for address, want := range map[string]bool{
		"aino@gmail.com":                           true,
		"Aino@GMail.COM":                           true,
		" aino@gmail.com\t":                        true,
		"aino+work@gmail.com":                      true,
		"aino@gmail.com.":                          true,
		`"aino"@gmail.com`:                         true,
		`"aino@acme.example"@mail.ru`:              true,
		`"a\"b"@yandex.ru`:                         true,
		"йцукен@yandex.ru":                         true,
		"aino@ｇｍａｉｌ．ｃｏｍ":                           true, // full-width: the same domain (UTS 46)
		"aino@outlook.com":                         true,
		"aino@hotmail.fi":                          true,
		"aino@live.no":                             true,
		"aino@msn.com":                             true,
		"aino@web.de":                              true,
		"aino@docomo.ne.jp":                        true,
		"aino@icloud.com":                          true,
		"aino@proton.me":                           true,
		"aino@acme.example":                        false,
		"aino@mail.gmail.com":                      false, // a subdomain is somebody else's
		"aino@gmail.com.evil.example":              false,
		"aino@notgmail.com":                        false,
		"aino@gmaíl.com":                           false,
		"gmail.com@acme.example":                   false,
		"aino_gmail.com#EXT#@acme.onmicrosoft.com": false,
		"aino@acme.onmicrosoft.com":                false,
		"aino@contoso.com":                         false,
		"aino@example.com":                         false,
		"aino@bücher.example":                      false,
		"aino@microsoft.com":                       false,
		"aino@nus.edu.sg":                          false,
		"3d5c2d4e-90fe-4f5c-8f1e-9f6a6f2f7a01":     false, // an object id
		"gmail.com":                                false,
		"@gmail.com":                               false,
		"aino@":                                    false,
		"aino@.":                                   false,
		"aino@gmail..com":                          false,
		"@":                                        false,
		"":                                         false,
		"aino@\x00gmail.com":                       false,
		"aino@gmail.com\r\n":                       true,
		"aino@" + strings.Repeat("a.", 5000) + "com": false,
	} {
		if got := Personal(address); got != want {
			t.Errorf("Personal(%.60q) = %t, want %t", address, got, want)
		}
	}
}

// The list is data that people edit: every line is a domain as Domain gives it,
// sorted within its part, once.
func TestTheListIsWellFormed(t *testing.T) {
	seen := map[string]bool{}
	var part []string
	parts := 0
	for _, line := range append(strings.Split(strings.TrimSuffix(text, "\n"), "\n"), "# end") {
		if line == "" || line[0] == '#' {
			if !slices.IsSorted(part) {
				t.Errorf("part %d is not sorted", parts)
			}
			if len(part) > 0 {
				parts++
			}
			part = nil
			continue
		}
		if Domain("a@"+line) != line || !strings.Contains(line, ".") {
			t.Errorf("%q is no domain in lower case and ASCII", line)
		}
		if seen[line] {
			t.Errorf("%q is there twice", line)
		}
		seen[line] = true
		part = append(part, line)
	}
	if parts != 2 || len(seen) < 4000 || len(seen) != len(personal()) {
		t.Errorf("%d parts, %d domains, %d looked up", parts, len(seen), len(personal()))
	}
	for _, source := range []string{"freemail 1.7.0", "2026-11-21", "ISC licence"} {
		if !strings.Contains(text, source) {
			t.Errorf("the list does not say %q", source)
		}
	}
}

func FuzzDomain(f *testing.F) {
	for _, seed := range []string{"a@gmail.com", `"a@b"@c.d`, "a@xn--bcher-kva.example", "a@ｇ.ｃ", "@", "a@.", "a@\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, address string) {
		domain := Domain(address)
		if again := Domain("a@" + domain); domain != "" && again != domain {
			t.Errorf("%q: %q, again %q", address, domain, again)
		}
		for _, r := range domain {
			if r > 127 {
				t.Errorf("%q: %q is not ASCII", address, domain)
			}
		}
		if _, err := idna.Lookup.ToASCII(domain); domain != "" && err != nil {
			t.Errorf("%q: %v", address, err)
		}
	})
}

func BenchmarkPersonal(b *testing.B) {
	for b.Loop() {
		Personal("Aino+work@gmail.com")
	}
}
