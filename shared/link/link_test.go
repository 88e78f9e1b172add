package link_test

import (
	"bytes"
	"net/url"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/link"
)

func keys(t testing.TB, secrets ...byte) *link.Keys {
	t.Helper()
	var all [][]byte
	for _, s := range secrets {
		all = append(all, bytes.Repeat([]byte{s}, link.MinKey))
	}
	k, err := link.NewKeys(all...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestAKeyThatIsMissingOrShortIsRefused(t *testing.T) {
	if _, err := link.NewKeys(); err == nil {
		t.Error("no key was accepted")
	}
	if _, err := link.NewKeys(make([]byte, 32), make([]byte, 31)); err == nil {
		t.Error("a key of 31 bytes was accepted")
	}
}

func TestASignatureIs43CharactersThatURLsCarryAsTheyAre(t *testing.T) {
	s := keys(t, 'a').Sign(link.PurposeLink, "x", "y")
	if len(s) != link.Size || url.QueryEscape(s) != s {
		t.Errorf("signature %q", s)
	}
}

func TestAnOldKeyStillVerifiesAndTheFirstSigns(t *testing.T) {
	old, both, fresh := keys(t, 'a'), keys(t, 'b', 'a'), keys(t, 'b')
	before := old.Sign(link.PurposeState, "flow")
	if !both.Verify(link.PurposeState, before, "flow") {
		t.Error("what the old key signed is refused while it stays")
	}
	if fresh.Verify(link.PurposeState, before, "flow") {
		t.Error("what a key that is gone has signed is accepted")
	}
	if after := both.Sign(link.PurposeState, "flow"); !fresh.Verify(link.PurposeState, after, "flow") {
		t.Error("the first key did not sign")
	}
}

func TestNoTwoListsOfPartsOrPurposesAreSignedAlike(t *testing.T) {
	k := keys(t, 'a')
	seen := map[string]string{}
	for name, s := range map[string]string{
		"two":             k.Sign(link.PurposeLink, "ab", "c"),
		"shifted":         k.Sign(link.PurposeLink, "a", "bc"),
		"joined":          k.Sign(link.PurposeLink, "abc"),
		"empty at end":    k.Sign(link.PurposeLink, "ab", "c", ""),
		"other purpose":   k.Sign(link.PurposeForm, "ab", "c"),
		"purpose as part": k.Sign("", link.PurposeLink, "ab", "c"),
	} {
		if other, ok := seen[s]; ok {
			t.Errorf("%s is signed like %s", name, other)
		}
		seen[s] = name
	}
}

func TestWhatWasTamperedWithIsRefused(t *testing.T) {
	k := keys(t, 'a', 'b')
	good := k.Sign(link.PurposeLink, "id", "user")
	for name, bad := range map[string]string{
		"nothing": "", "cut": good[:42], "longer": good + "A", "padded": good + "=",
		"bits beyond the last byte": good[:42] + other(good[42]),
		"another byte":              other(good[0]) + good[1:],
		"other alphabet":            strings.Repeat("+", 43),
	} {
		if k.Verify(link.PurposeLink, bad, "id", "user") {
			t.Errorf("%s: %q is accepted", name, bad)
		}
	}
	if !k.Verify(link.PurposeLink, good, "id", "user") {
		t.Error("the genuine one is refused")
	}
}

// other is the next character of the alphabet: in the last place it differs only
// in the two bits that belong to no byte.
func other(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, c)^1])
}

func TestALinkIsWhatTheWireFormatSays(t *testing.T) {
	k := keys(t, 'a')
	id := key.Random()
	text := k.URL("https://calendar.example.com/", id, "entra-admin")
	want := "https://calendar.example.com/api/portal/go/" + id + "?r=entra-admin&s="
	if !strings.HasPrefix(text, want) || len(text) != len(want)+link.Size {
		t.Fatalf("URL %q", text)
	}
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	if role, ok := k.Check(id, query); !ok || role != "entra-admin" {
		t.Errorf("the link's own query gives %q, %v", role, ok)
	}
	query.Set("utm_source", "mail")
	if _, ok := k.Check(id, query); !ok {
		t.Error("a link that a mail program added to is refused")
	}
}

func TestALinkOfAnotherIdOrRoleIsRefused(t *testing.T) {
	k := keys(t, 'a')
	id := key.Random()
	s := k.Sign(link.PurposeLink, id, "user")
	for name, c := range map[string]struct {
		id    string
		query url.Values
	}{
		"another id":           {key.Random(), url.Values{"r": {"user"}, "s": {s}}},
		"another role":         {id, url.Values{"r": {"org-admin"}, "s": {s}}},
		"no role":              {id, url.Values{"s": {s}}},
		"no signature":         {id, url.Values{"r": {"user"}}},
		"two roles":            {id, url.Values{"r": {"user", "org-admin"}, "s": {s}}},
		"two signatures":       {id, url.Values{"r": {"user"}, "s": {s, s}}},
		"no id":                {"", url.Values{"r": {"user"}, "s": {k.Sign(link.PurposeLink, "", "user")}}},
		"a role nobody signed": {id, url.Values{"r": {"root"}, "s": {s}}},
		"signed as a session":  {id, url.Values{"r": {"user"}, "s": {k.Sign(link.PurposeSession, id, "user")}}},
	} {
		if role, ok := k.Check(c.id, c.query); ok {
			t.Errorf("%s: accepted as %q", name, role)
		}
	}
}

func FuzzOnlyWhatWasSignedIsAccepted(f *testing.F) {
	k := keys(f, 'a', 'b')
	good := k.Sign(link.PurposeLink, "id", "user")
	f.Add("id", "r=user&s="+good)
	f.Add("id", "r=user&s="+good+"&x=1")
	f.Add("id", "r=org-admin&s="+good)
	f.Add("id", "r=user&s="+good[:42]+"%41")
	f.Add("../id", "r=user;s="+good)
	f.Fuzz(func(t *testing.T, id, raw string) {
		query, err := url.ParseQuery(raw)
		if err != nil {
			return
		}
		role, ok := k.Check(id, query)
		if ok && (query.Get("s") != k.Sign(link.PurposeLink, id, role)) {
			t.Errorf("%q %q is accepted as %q", id, raw, role)
		}
	})
}
