package stories

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// Pages through the whole stack: browser's request, host, handler, tables, all in this
// process. The handler's own share is shared/portal's benchmarks (issue 5, Speed: under
// 20 ms; a test of time would fail on a busy machine).
func BenchmarkPage(b *testing.B) {
	w := start(b)
	w.ready("one", acme)
	w.organization("new", fields{"displayName": "New", "profile": "travel", "product": fields{"name": "Trips"}})
	var last trip
	for i := range 200 { // whom the set-up page counts
		last = trip{Organization: "one", ID: fmt.Sprint("B-", i), Title: "AY1", User: fmt.Sprint("u-", i), Email: fmt.Sprintf("p%d@acme.example", i), Revision: 1, Day: 3}
		w.book(last)
	}
	w.result(last, "ics not-connected")
	admin := w.agent().open(w.link(fields{"organization": "one", "role": "org-admin", "user": "u-oona"})).press("Continue")
	user := w.agent().open(w.own("one", "u-7", "p7@acme.example")).press("Continue")
	entra := w.agent().open(w.link(fields{"organization": "new", "role": "entra-admin"})).press("Continue")
	link := w.agent().open(w.own("one", "u-8", "p8@acme.example"))
	start := w.agent().open(w.own("one", "u-9", "p9@acme.example")).press("Continue").follow("Connect Outlook calendar")
	for name, page := range map[string]*agent{"set-up": admin, "connected apps": user, "consent": entra, "link": link, "connect": start} {
		to := strings.Replace(page.URL.String(), w.front.URL, w.URL, 1)
		cookies := page.client.Jar.Cookies(page.URL)
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			for b.Loop() {
				r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, to, nil)
				if err != nil {
					b.Fatal(err)
				}
				for _, c := range cookies {
					r.AddCookie(c)
				}
				answer, err := http.DefaultClient.Do(r)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK {
					b.Fatal(answer.StatusCode, err)
				}
				_ = answer.Body.Close()
			}
		})
	}
}
