package stories

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/calbridge/calbridge/local/browser"
)

// somebody is a person with a browser, whose pages are looked at with axe-core.
type somebody struct {
	*browser.Person
	t    testing.TB
	seen map[string]bool // pages that axe-core saw; nil looks at none
	left float64         // when the page began that the last button was on; no other began then
}

// crowd makes people.
type crowd struct {
	t       testing.TB
	browser *browser.Browser
	seen    map[string]bool
}

// inspected are the pages that axe-core saw in any test; tests take turns.
var inspected = map[string]bool{}

// gather starts Chromium; false where browsers are left out.
func gather(t testing.TB) (crowd, bool) {
	t.Helper()
	if testing.Short() {
		t.Log("the browser is left out")
		return crowd{}, false
	}
	return crowd{t, browser.Start(t), inspected}, true
}

// person opens a window without cookies. At the test's end the browser must not have
// complained of anything but pages that are errors on purpose.
func (c crowd) person() *somebody {
	c.t.Helper()
	return c.watch(c.browser.Person(c.t))
}

func (c crowd) watch(p *browser.Person) *somebody {
	s := &somebody{Person: p, t: c.t, seen: c.seen}
	c.t.Cleanup(func() {
		// A page that is an error says so in its status, and of nothing but itself.
		if all := p.Complaints("favicon", "the server responded with a status of 4"); len(all) > 0 {
			c.t.Errorf("the browser complains: %q", all)
		}
	})
	return s
}

var ids = regexp.MustCompile(`[a-z2-7]{26}|[0-9a-f-]{36}`)

// look tells pages apart: by path, heading and what kinds of elements they have, but not
// by words and ids.
const look = `location.pathname + " " + (document.querySelector("h1") || {}).textContent + " " +
	[...new Set([...document.querySelectorAll("main *")].map(e => e.tagName + "." + e.className + "." + (e.type || "")))].sort().join()`

// Press presses a button or link, which leads to another page.
func (s *somebody) Press(words string) {
	s.t.Helper()
	s.leaves()
	s.Person.Press(words)
}

// leaves remembers the page that somebody is about to leave, so that at does not take it
// for the next one.
func (s *somebody) leaves() { s.t.Helper(); s.Evaluate("performance.timeOrigin", &s.left) }

// at waits for another page of ours than the one that was left, which says words, and
// looks at it if nobody did yet.
func (s *somebody) at(words string) {
	s.t.Helper()
	s.Until("another page of ours", func() bool {
		return s.Holds(fmt.Sprintf(`performance.timeOrigin !== %v && location.pathname.startsWith("/api/")`, s.left))
	})
	s.Sees(words)
	if s.seen == nil {
		return
	}
	var page string
	s.Evaluate(look, &page)
	if page = ids.ReplaceAllString(page, ""); !s.seen[page] {
		s.seen[page] = true
		s.inspect()
	}
}

// inspect has axe-core look at a page on a desktop, and dark on a telephone of 320
// pixels, where nothing may have to be scrolled sideways. The page may load nothing but
// our own style, script and icon.
func (s *somebody) inspect() {
	s.t.Helper()
	s.Accessible()
	s.Phone()
	s.Dark()
	s.Accessible()
	var wide []string
	s.Evaluate(`document.documentElement.scrollWidth <= 320 ? [] : [...document.querySelectorAll("body *")]
		.filter(e => e.getBoundingClientRect().right > 320).map(e => e.tagName + " " + e.textContent.slice(0, 40))`, &wide)
	if len(wide) > 0 {
		s.t.Errorf("%s at 320 pixels: too wide are %q", s.path(), wide)
	}
	s.Desktop()
	var loaded []string
	s.Evaluate(`performance.getEntriesByType("resource").map(e => e.name)`, &loaded)
	for _, url := range loaded {
		if own := strings.SplitAfter(s.URL(), "/api/")[0]; !strings.HasPrefix(url, own+"portal/") {
			s.t.Errorf("%s loads %s", s.path(), url)
		}
	}
}

// does presses a button and waits for what the next page says.
func (s *somebody) does(button, words string) {
	s.t.Helper()
	s.Press(button)
	s.at(words)
}

// signsIn picks an account at Entra's page.
func (s *somebody) signsIn(principal string) {
	s.t.Helper()
	s.Sees("Pick an account")
	s.Fill("Use another account", principal)
	s.Press("Sign in")
}

// path is where the person is, without the origin and ids.
func (s *somebody) path() string {
	url := s.URL()
	if i := strings.Index(url, "/api/"); i >= 0 {
		url = url[i:]
	}
	return pathOf(url)
}

// tab moves the focus with the Tab key until it is on what has the words, and fails
// where it cannot be seen on the way.
func (s *somebody) tab(words string) {
	s.t.Helper()
	var been []string
	for range 60 {
		s.Key(kb.Tab)
		var at struct {
			Words   string
			Visible bool
			How     string
		}
		s.Evaluate(`(() => {
			const e = document.activeElement, style = getComputedStyle(e), box = e.getBoundingClientRect();
			const label = e.id && document.querySelector("label[for='" + e.id + "']") || e.closest("label");
			if (e === document.body) return {visible: true};
			return {words: [e.textContent, e.value, label && label.textContent].join(" ").replace(/\s+/g, " "),
				how: [style.outline, box.x, box.y, box.width, box.height].join(" "), visible: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0 && box.width > 0 && box.bottom > 0};
		})()`, &at)
		if !at.Visible {
			s.t.Errorf("%s: the focus on %q cannot be seen: %s", s.path(), at.Words, at.How)
		}
		if strings.Contains(at.Words, words) {
			return
		}
		been = append(been, at.Words)
	}
	s.t.Fatalf("%s: Tab does not come to %q, but to %q", s.path(), words, slices.Compact(been))
}

// enters is does, with the keyboard alone.
func (s *somebody) enters(button, words string) {
	s.t.Helper()
	s.tab(button)
	s.leaves()
	s.Key(kb.Enter)
	s.at(words)
}

// pictures are those that docs/ shows.
var pictures = []string{"setup", "consent", "confirm", "connected", "doubt", "approval", "people", "mobile-dark"}

// pictureWidth is how wide they are, in pixels.
const pictureWidth = 760

// picture keeps a picture of the page, or of the part with a selector, if pictures are
// asked for (make pictures).
func (s *somebody) picture(name, part string) {
	s.t.Helper()
	directory := os.Getenv("PICTURES")
	if !slices.Contains(pictures, name) {
		s.t.Errorf("no document shows %s.png", name)
	}
	if directory == "" {
		return
	}
	if s.Width(pictureWidth); name == "mobile-dark" {
		s.Phone()
		s.Dark()
	}
	var links int // which name this machine; in the documents it is a product's
	s.Evaluate(`[...document.querySelectorAll("input[readonly]")].map(e => e.value = e.value.replace(/^http:..[^/]+/, "https://calendar.example")).length`, &links)
	if part == "" {
		s.Picture(directory, name)
	} else {
		s.PictureOf(directory, name, part)
	}
	s.Desktop()
}
