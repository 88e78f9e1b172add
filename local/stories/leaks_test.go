package stories

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/calbridge/calbridge/local/host"
)

// marks are what must not get out, with what each is. They are what the simulator and
// the program really made up in this test.
type marks map[string]string

// shortest is how long a text must be to be found by more than chance.
const shortest = 12

// secret notes one, unless it is too short to be found by more than chance.
func (m marks) secret(what, text string) {
	if len(text) >= shortest {
		m[text] = what
	}
}

// kinds counts the marks of each kind.
func (m marks) kinds() map[string]int {
	all := map[string]int{}
	for _, what := range m {
		all[what]++
	}
	return all
}

// collect finds the secrets that went over the two proxies.
func (w *world) collect() marks {
	m := marks{}
	m.secret("the app's secret", w.Settings["ENTRA_CLIENT_SECRET"])
	m.secret("the master key", host.MasterKey)
	m.secret("the function key", host.FunctionKey)
	for _, one := range w.entra.list() {
		if asked, err := url.ParseQuery(one.AskedBody); err == nil {
			for _, name := range []string{"client_secret", "client_assertion", "code_verifier", "refresh_token", "code"} {
				m.secret(name, asked.Get(name))
			}
		}
		var answered map[string]any
		if json.Unmarshal([]byte(one.Body), &answered) == nil {
			for _, name := range []string{"access_token", "refresh_token", "id_token"} {
				text, _ := answered[name].(string)
				m.secret(name, text)
			}
		}
		if back, err := url.Parse(one.Answered.Get("Location")); err == nil {
			m.secret("code", back.Query().Get("code"))
		}
	}
	for _, one := range w.front.list() {
		for _, c := range (&http.Response{Header: one.Answered}).Cookies() {
			m.secret("cookie", c.Value)
		}
		if away, err := url.Parse(one.Answered.Get("Location")); err == nil {
			m.secret("state", away.Query().Get("state"))
			m.secret("nonce", away.Query().Get("nonce"))
		}
		if asked, err := url.ParseQuery(one.AskedBody); err == nil && one.Status < 400 {
			m.secret("form token", asked.Get("form"))
		}
		var link struct{ URL string }
		if strings.HasSuffix(one.URL, "/api/links") && json.Unmarshal([]byte(one.Body), &link) == nil {
			if u, err := url.Parse(link.URL); err == nil {
				m.secret("link", u.Query().Get("s"))
			}
		}
	}
	return m
}

// leaks are the secrets, and the addresses where there must be none, in what came out:
// "where: what". Half a secret is found as well, and one that is escaped or in base64.
func leaks(all []output, m marks) (found []string) {
	needles := map[string][]string{}
	for secret, what := range m {
		needles[what] = append(needles[what], spellings(secret)...)
	}
	for _, out := range all {
		for what, list := range needles {
			if slices.Contains(out.May, what) {
				continue
			}
			if slices.ContainsFunc(list, func(n string) bool { return strings.Contains(out.Text, n) }) {
				found = append(found, out.Where+": "+what)
			}
		}
		if !out.Addresses && addressPattern.MatchString(out.Text) {
			found = append(found, out.Where+": an address")
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// How many characters of a secret, and of what a token says, are searched for. What a
// token says are also names and ids, which are no secrets one by one.
const pieceSize, sayingSize = 20, 80

// spellings are the texts by which a secret is found: two pieces of it, one of either
// half, each as it is, escaped for URLs, and in base64 wherever it begins.
func spellings(secret string) (all []string) {
	pieces := halves(secret, pieceSize)
	if parts := strings.Split(secret, "."); len(parts) == 3 && strings.HasPrefix(secret, "eyJ") {
		pieces = append(halves(parts[1], sayingSize), halves(parts[2], pieceSize)...)
	}
	for _, p := range pieces {
		if len(p) < shortest {
			continue // the signature of a token that has none
		}
		all = append(all, p)
		if escaped := url.QueryEscape(p); escaped != p {
			all = append(all, escaped)
		}
		for shift := range 3 { // the characters that neighbours change are left out
			text := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat(" ", shift) + p))
			inner := text[(shift*8+5)/6 : len(text)-2]
			all = append(all, inner, strings.NewReplacer("+", "-", "/", "_").Replace(inner))
		}
	}
	return all
}

// halves are a piece of each half of a text, or the text where it is too short.
func halves(text string, size int) []string {
	n := len(text)
	if n < 2*size {
		return []string{text}
	}
	first, second := n/4, min(n*3/4, n-size)
	return []string{text[first : first+size], text[second : second+size]}
}

// nothingLeaked searches everything that came out for secrets, and for addresses what
// must not have any. It fails where secrets of the kinds, or of those that every sign-in
// has, never were, because it would look for nothing.
func (w *world) nothingLeaked(kinds ...string) {
	w.t.Helper()
	m := w.collect()
	if len(kinds) == 0 {
		kinds = []string{"access_token", "id_token", "code", "code_verifier", "cookie", "state", "nonce", "link", "form token"}
	}
	have := m.kinds()
	for _, kind := range kinds {
		if have[kind] == 0 {
			w.t.Errorf("the search looks for no %s: %v", kind, have)
		}
	}
	for _, leak := range leaks(w.output(), m) {
		w.t.Errorf("it leaked: %s", leak)
	}
}

// pathOf is the path of a URL, for where something was found.
func pathOf(u string) string {
	path, _, _ := strings.Cut(u, "?")
	return ids.ReplaceAllString(path, "*")
}

func at(what string, one taped) string {
	return fmt.Sprintf("%s of %s %s (%d)", what, one.Method, pathOf(one.URL), one.Status)
}
