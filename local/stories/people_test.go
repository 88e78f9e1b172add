package stories

import (
	"os"
	"regexp"
	"testing"

	"github.com/calbridge/calbridge/local/browser"
)

// somebody is a person with a browser, who looks at each page with axe-core.
type somebody struct {
	*browser.Person
	t    testing.TB
	seen map[string]bool // pages that axe-core saw, shared by everybody of a test
}

// crowd makes people.
type crowd struct {
	t       testing.TB
	browser *browser.Browser
	seen    map[string]bool
}

// gather starts Chromium; false where browsers are left out.
func gather(t testing.TB) (crowd, bool) {
	t.Helper()
	if testing.Short() {
		t.Log("the browser is left out")
		return crowd{}, false
	}
	return crowd{t, browser.Start(t), map[string]bool{}}, true
}

// person opens a window without cookies. At the test's end the browser must not have
// complained of anything but pages that are errors on purpose.
func (c crowd) person() *somebody {
	c.t.Helper()
	return c.watch(c.browser.Person(c.t))
}

func (c crowd) watch(p *browser.Person) *somebody {
	s := &somebody{p, c.t, c.seen}
	c.t.Cleanup(func() {
		// A page that is an error says so in its status, and of nothing but itself.
		if all := p.Complaints("favicon", "the server responded with a status of 4"); len(all) > 0 {
			c.t.Errorf("the browser complains: %q", all)
		}
	})
	return s
}

var ids = regexp.MustCompile(`[a-z2-7]{26}|[0-9a-f-]{36}`)

// at waits for a page that says words, and has axe-core look at it if it did not yet.
func (s *somebody) at(words string) {
	s.t.Helper()
	s.Sees(words)
	var heading string
	s.Evaluate(`location.pathname + " " + (document.querySelector("h1") || {}).textContent`, &heading)
	heading = ids.ReplaceAllString(heading, "")
	if !s.seen[heading] {
		s.seen[heading] = true
		s.Accessible()
	}
}

// does presses a button and waits for what the next page says.
func (s *somebody) does(button, words string) {
	s.t.Helper()
	s.Press(button)
	s.at(words)
}

// picture keeps a picture of the page if pictures are asked for.
func (s *somebody) picture(name string) { s.Picture(os.Getenv("PICTURES"), name) }

// signsIn picks an account at Entra's page.
func (s *somebody) signsIn(principal string) {
	s.t.Helper()
	s.Sees("Pick an account")
	s.Fill("Use another account", principal)
	s.Press("Sign in")
}
