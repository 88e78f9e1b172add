package host

import (
	"net/http"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// bends are the pieces that strangers put behind a parameter's value.
var bends = []string{
	`\`, "/", ".", "..", "...", `..\`, "../", `\..`, "/..", `..\..\`, "../../", `\\`, "//", "?", "#", "\x00", "\n", "\r\n", "\t", " ", ";", "%",
	"a", "Z9", "_", "-", "~", "é", "\u2044", "\u2215", "\uff0e\uff0e", "\uff3c", "\xc0\xae", "\xc0\xaf", "HandleWork", "api", "master",
}

// encode percent-encodes every byte of s that is no letter or digit, n times over.
func encode(s string, n int) string {
	for range n {
		var b strings.Builder
		for i := 0; i < len(s); i++ {
			if c := s[i]; c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
				b.WriteByte(c)
				continue
			}
			b.Write([]byte{'%', upperHex[s[i]>>4], upperHex[s[i]&15]})
		}
		s = b.String()
	}
	return s
}

// bender is a host's routing and rebuilding, without the wire.
type bender struct{ h *Host }

func newBender(t testing.TB) bender {
	t.Helper()
	h, err := New(webRoot(t), Options{Addr: "127.0.0.1:0", Env: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.listener.Close() })
	return bender{h}
}

// try routes a target, and tells whether the handler would see a path of another route.
func (b bender) try(target string) (f *function, sees string, leaves bool) {
	return b.tryMethod(http.MethodGet, target)
}

func (b bender) tryMethod(method, target string) (f *function, sees string, leaves bool) {
	raw, query, _ := strings.Cut(target, "?")
	path, err := decodePath(raw)
	if err != nil {
		return nil, "", false
	}
	req := &incoming{r: &http.Request{Method: method}, path: path}
	if f = b.h.route(req); f == nil {
		return nil, "", false
	}
	if query != "" {
		query = "?" + query
	}
	sees, err = rebuildPath("http", "app.example", path, query)
	if err != nil {
		return f, "", false
	}
	again, err := decodePath(sees)
	if err != nil {
		return f, sees, true
	}
	return f, sees, b.h.route(&incoming{r: req.r, path: again}) != f && !strings.EqualFold(strings.TrimRight(again, "/"), f.literals())
}

// literals is where a route begins: a path that was trimmed to it is still inside,
// though a constrained catch-all would not take an empty rest.
func (f *function) literals() string {
	path := "/api"
	for _, s := range f.route.segments {
		if s.parameter != "" {
			break
		}
		path += "/" + s.literal
	}
	return path
}

// constrained are the prefixes of parameters that are constrained, free of one that is not.
var (
	constrained = []string{
		"/api/guarded/", "/api/guarded/acme/", "/api/guarded/acme/bookings/", "/api/guarded/acme/bookings/x/",
		"/api/held/", "/api/held/a/", "/api/number/", "/api/feeds/aaaaaaaaaaaaaaaaaaaa",
	}
	free = []string{"/api/items/", "/api/rest/"}
)

// TestConstrainedParametersHold tries every pair of pieces, encoded up to three times,
// at every constrained parameter (§2.1, guard 3): 400, 404, or a path inside the route.
func TestConstrainedParametersHold(t *testing.T) {
	b := newBender(t)
	tried, taken := 0, 0
	for _, at := range constrained {
		for _, x := range bends {
			for _, y := range bends {
				for n := range 4 {
					target := at + "a" + encode(x+y, n)
					tried++
					f, sees, leaves := b.try(target)
					if f != nil {
						taken++
					}
					if leaves {
						t.Errorf("%q left %s: handler would see %q", target, f.name, sees)
					}
				}
			}
		}
	}
	if tried < 5000 || taken == 0 {
		t.Errorf("%d tried, %d taken: the test shows nothing", tried, taken)
	}
}

// TestFreeParametersDoNotHold shows that the test above can fail.
func TestFreeParametersDoNotHold(t *testing.T) {
	b := newBender(t)
	for _, at := range free {
		left := 0
		for _, x := range bends {
			for n := range 3 {
				if _, _, leaves := b.try(at + encode(x+`..\..\HandleWork`, n)); leaves {
					left++
				}
			}
		}
		if left == 0 {
			t.Errorf("nothing left %s", at)
		}
	}
}

// TestConstrainedParametersHoldForAnySequence mixes pieces at random.
func TestConstrainedParametersHoldForAnySequence(t *testing.T) {
	b := newBender(t)
	rapid.Check(t, func(t *rapid.T) {
		target := rapid.SampledFrom(constrained).Draw(t, "at")
		for range rapid.IntRange(1, 8).Draw(t, "pieces") {
			target += encode(rapid.SampledFrom(bends).Draw(t, "piece"), rapid.IntRange(0, 3).Draw(t, "encodings"))
		}
		if f, sees, leaves := b.try(target); leaves {
			t.Fatalf("%q left %s: handler would see %q", target, f.name, sees)
		}
	})
}

// FuzzBend does the same with any bytes.
func FuzzBend(f *testing.F) {
	for _, s := range []string{`..\..\HandleWork`, "%252e%252e%5C", "a%0A", "a%3Fb", "%C0%AE%C0%AE/", "a/../b", "a%2500"} {
		f.Add(s)
	}
	b := newBender(f)
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ContainsAny(s, " \r\n\t\x00") {
			return // cannot stand in a request line
		}
		for _, at := range constrained {
			if fn, sees, leaves := b.try(at + s); leaves {
				t.Errorf("%q left %s: handler would see %q", at+s, fn.name, sees)
			}
		}
	})
}

// FuzzURIPath checks that a rebuilt path is always a clean one.
func FuzzURIPath(f *testing.F) {
	f.Add("http", "h", "/a/%2e%2e/b")
	f.Add("http://x/y?", "h:1", `\..\%41%zz`)
	f.Fuzz(func(t *testing.T, scheme, host, path string) {
		got, err := rebuildPath(scheme, host, "/"+path, "")
		if err != nil {
			return
		}
		if !strings.HasPrefix(got, "/") || strings.ContainsAny(got, " \\?#\r\n") || strings.Contains(got+"/", "/../") || strings.Contains(got+"/", "/./") {
			t.Errorf("%q", got)
		}
	})
}

// FuzzTemplate checks that no template makes the parser panic, and that what it takes can be matched.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"a/{b:int?}", "{*x:regex(^[a/]*$)}", "{a:length(1,2):alpha}", "{a:regex(^[a-z]{{1,2}}$)}", "{{}}"} {
		f.Add(s, "a/1")
	}
	f.Fuzz(func(_ *testing.T, text, path string) {
		if template, err := parseTemplate(text); err == nil {
			template.match(path)
			template.compare(template)
		}
	})
}
