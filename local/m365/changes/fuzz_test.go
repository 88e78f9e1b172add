package changes

import "testing"

// What is read as a token is one that was written, to the letter.
func FuzzParseToken(f *testing.F) {
	for _, t := range []token{{}, {state: 1, generation: 7, position: 3, begun: true}, {state: 1 << 31, generation: 1, lap: 9, ends: true}} {
		f.Add(t.String())
	}
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, s string) {
		if tok, ok := parseToken(s); ok && tok.String() != s {
			t.Errorf("%q is %+v, which is %q", s, tok, tok.String())
		}
	})
}

func TestATokenTellsNothingAndIsReadAsItWasWritten(t *testing.T) {
	seen := map[string]bool{}
	for n := range uint32(50) {
		tok := token{state: n, generation: n * 3, position: n % 7, lap: n, begun: n%2 == 0, ends: n%3 == 0}
		s := tok.String()
		if got, ok := parseToken(s); !ok || got != tok || seen[s[:20]] {
			t.Errorf("%+v: %q, %t", got, s, ok)
		}
		seen[s[:20]] = true
	}
}
