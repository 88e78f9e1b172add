package stories

import (
	"net/http"
	"regexp"
	"strings"
)

// heaviest is what a page may weigh with all it needs, uncompressed, in bytes (issue 5,
// Speed).
const heaviest = 60_000

var needPattern = regexp.MustCompile(`(?:href|src)="(/api/portal/assets/[^"]+)"`)

// weighed checks the weight of every page that anybody got so far: the page itself, and
// its style, script and icon.
func (w *world) weighed() {
	w.t.Helper()
	sizes := map[string]int{}
	most, pages := 0, 0
	for _, one := range w.front.list() {
		if !strings.HasPrefix(one.Answered.Get("Content-Type"), "text/html") || one.Method == http.MethodHead {
			continue
		}
		pages++
		size := len(one.Body)
		for _, need := range needPattern.FindAllStringSubmatch(one.Body, -1) {
			if _, known := sizes[need[1]]; !known {
				a := w.agent().open(w.front.URL + need[1])
				if a.Status != http.StatusOK || a.Body == "" {
					w.t.Errorf("%s: %d", need[1], a.Status)
				}
				sizes[need[1]] = len(a.Body)
			}
			size += sizes[need[1]]
		}
		if size >= heaviest {
			w.t.Errorf("%s weighs %d bytes", at("page", one), size)
		}
		most = max(most, size)
	}
	if pages == 0 || len(sizes) != 3 {
		w.t.Errorf("%d pages, which need %v", pages, sizes)
	}
	w.t.Logf("%d pages, the heaviest of %d bytes", pages, most)
}

// ends is what is true at the end of every story.
func (w *world) ends() {
	w.t.Helper()
	w.nothingLeaked()
	w.weighed()
	if listed := w.M365.Exchange.Strangers(w.read...); len(listed) > 0 {
		w.t.Errorf("calendars were listed that are only written to: %q", listed)
	}
}
