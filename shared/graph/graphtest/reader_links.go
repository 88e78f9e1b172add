package graphtest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/calbridge/calbridge/shared/graph"
)

func nothingChanged(s readSuite) {
	s.Desk.Add(entry("a", 2))
	r := s.first()
	for range 3 {
		_, r.Link = s.round(s.app(), r)
		page, err := s.Reader.Delta(s.Context(), s.app(), r)
		if err != nil || len(page.Items) != 0 || page.Delta == "" {
			s.Errorf("%+v, %v", page, err)
		}
	}
}

func laterRounds(s readSuite) {
	stays, gone, away := s.Desk.Add(entry("stays", 2)), s.Desk.Add(entry("gone", 3)), s.Desk.Add(entry("away", 4))
	daily := entry("daily", 7)
	daily.Days = 3
	series := s.Desk.Add(daily)
	r := s.first()
	var items []graph.Item
	_, r.Link = s.round(s.app(), r)
	next := func(what string, want ...string) {
		s.Helper()
		items, r.Link = s.round(s.app(), r)
		s.tells(what, items, want...)
	}
	s.Desk.Retitle(stays, "changed")
	s.Desk.Add(entry("new", 5))
	next("changed and new", "singleInstance changed", "singleInstance new")
	s.Desk.Delete(gone)
	next("deleted", "removed")
	if items[0].ID != gone {
		s.Errorf("removed %q, not %q", items[0].ID, gone)
	}
	s.Desk.Move(away, hour(40, 9), hour(40, 10))
	next("moved out", "removed")
	days := s.Desk.Days(series, december, january)
	s.Desk.Delete(days[0])
	next("a day of a series deleted: absent", "seriesMaster daily", "occurrence", "occurrence")
	s.Desk.Delete(series)
	next("a series deleted", "removed")
	if items[0].ID != series {
		s.Errorf("removed %q, not %q", items[0].ID, series)
	}
	next("nothing")
}

func pageSizes(s readSuite) {
	for n := range 12 {
		s.Desk.Add(entry(fmt.Sprint(n), n+1))
	}
	long := entry("long", 1)
	long.Days = 60
	s.Desk.Add(long)
	r := s.first()
	r.PageSize = 5
	var sizes []int
	for range 10 {
		page, err := s.Reader.Delta(s.Context(), s.app(), r)
		if err != nil {
			s.Fatal(err)
		}
		sizes = append(sizes, len(page.Items))
		if r.Link = page.Next; r.Link == "" {
			break
		}
	}
	if !slices.Equal(sizes, []int{5, 5, 2 + 32}) {
		s.Errorf("pages of %v", sizes)
	}
}

func emptyPage(s readSuite) {
	s.Desk.Spoil(Oddities{EmptyFirst: true})
	s.Desk.Add(entry("a", 2))
	page, err := s.Reader.Delta(s.Context(), s.app(), s.first())
	if err != nil || len(page.Items) != 0 || page.Next == "" {
		s.Fatalf("%+v, %v", page, err)
	}
	items, _ := s.round(s.app(), graph.DeltaRequest{Mailbox: s.Mailbox, Link: page.Next})
	s.tells("onwards", items, "singleInstance a")
}

func twice(s readSuite) {
	s.Desk.Spoil(Oddities{Duplicates: true, Shuffle: true})
	s.Desk.Add(entry("a", 2))
	items, _ := s.round(s.app(), s.first())
	s.tells("twice", items, "singleInstance a", "singleInstance a")
}

func chosenCalendar(s readSuite) {
	team := s.Desk.AddCalendar("Team")
	id := s.Desk.Add(entry("a", 2))
	here, there := s.first(), s.first()
	there.Calendar = team
	_, here.Link = s.round(s.app(), here)
	items, link := s.round(s.app(), there)
	s.tells("empty", items)
	there.Link = link
	s.Desk.File(id, team)
	items, _ = s.round(s.app(), here)
	s.tells("left", items, "removed")
	items, _ = s.round(s.app(), there)
	s.tells("arrived", items, "singleInstance a")
}

func expiredLinks(s readSuite) {
	s.Desk.Add(entry("a", 2))
	for _, o := range []Oddities{{}, {ExpiredCode: "syncStateNotFound"}, {ExpiredCode: "resyncRequired"}, {ExpiredCode: "ErrorInvalidDeltaToken"},
		{ExpiredCode: "SyncStateInvalid", ExpiredStatus: 400}, {Location: true}} {
		s.Desk.Spoil(Oddities{})
		r := s.first()
		_, r.Link = s.round(s.app(), r)
		s.Desk.Spoil(o)
		s.Desk.Expire()
		page, err := s.Reader.Delta(s.Context(), s.app(), r)
		s.refused(fmt.Sprintf("%+v", o), err, graph.Gone, "")
		if len(page.Items) > 0 || page.Next+page.Delta != "" {
			s.Errorf("%+v: %+v", o, page)
		}
		r.Link = ""
		items, _ := s.round(s.app(), r)
		s.tells("anew", items, "singleInstance a")
	}
	r := s.first()
	r.Calendar = strings.Repeat("A", 100)
	_, err := s.Reader.Delta(s.Context(), s.app(), r)
	s.refused("no such calendar", err, graph.Gone, "")
}

func foreignLinks(s readSuite) {
	s.Desk.Add(entry("a", 2))
	r := s.first()
	_, link := s.round(s.app(), r)
	before := s.Desk.Deltas()
	scheme, rest, _ := strings.Cut(link, "://")
	host, path, _ := strings.Cut(rest, "/")
	for _, bad := range []string{"https://evil.example/" + path, scheme + "://" + host + ".evil.example/" + path, scheme + "://evil.example@" + host + "x/" + path,
		scheme + "://" + host + "/beta/users/x/calendarView/delta?$deltatoken=x", scheme + "://" + host + "/v1.0/users/x/messages", scheme + "://" + host + "/v1.0/../x",
		"ftp://" + rest, "/" + path, "//evil.example/" + path, "javascript:alert(1)", "x", " " + link, "http://[::1", strings.Repeat("x", 100_000)} {
		r.Link = bad
		page, err := s.Reader.Delta(s.Context(), s.app(), r)
		s.refused(bad[:min(len(bad), 60)], err, graph.Invalid, graph.ReasonRefused)
		if len(page.Items) > 0 {
			s.Errorf("%s: %+v", bad, page)
		}
	}
	if n := s.Desk.Deltas() - before; n != 0 {
		s.Errorf("%d of them were followed", n)
	}
}

func strayLinks(s readSuite) {
	team := s.Desk.AddCalendar("Team")
	for n := range 12 {
		s.Desk.Add(entry(fmt.Sprint(n), n+1))
	}
	for _, stray := range []string{"mailbox", "calendar"} {
		for _, calendar := range []string{"", team} {
			for _, as := range []graph.Access{s.app(), s.Own} {
				s.Desk.Spoil(Oddities{Stray: stray})
				r := s.first()
				r.Calendar, r.PageSize = calendar, 5
				page, err := s.Reader.Delta(s.Context(), as, r)
				if err != nil {
					s.Fatal(err)
				}
				before := s.Desk.Deltas()
				r.Link = page.Next + page.Delta
				page, err = s.Reader.Delta(s.Context(), as, r)
				s.refused(stray, err, graph.Invalid, graph.ReasonRefused)
				if n := s.Desk.Deltas() - before; n != 0 || len(page.Items) > 0 {
					s.Errorf("%s: followed %d times, %d items", stray, n, len(page.Items))
				}
			}
		}
	}
}

func damagedLink(s readSuite) {
	r := s.first()
	_, link := s.round(s.app(), r)
	for _, bad := range []string{link[:len(link)-3], link + "AAA", link[:len(link)-1] + "~"} {
		r.Link = bad
		_, err := s.Reader.Delta(s.Context(), s.app(), r)
		s.refused("damaged", err, graph.Invalid, graph.ReasonRefused)
	}
}

func ownReading(s readSuite) {
	id := s.Desk.Add(entry("a", 2))
	for _, mailbox := range []string{s.Mailbox, s.Alias, s.Second, s.Unknown, ""} {
		r := s.first()
		r.Mailbox = mailbox
		items, _ := s.round(s.Own, r)
		s.tells(mailbox, items, "singleInstance a")
		if read, err := s.Reader.Read(s.Context(), s.Own, mailbox, id); err != nil || read.Subject != "a" {
			s.Errorf("%q: %v", mailbox, err)
		}
	}
}

func basicReading(s readSuite) {
	id := s.Desk.Add(entry("a", 2))
	items, _ := s.round(s.Basic, s.first())
	s.tells("basic", items, "singleInstance a")
	if i := items[0]; i.Body != "" || i.BodyType != "" || i.ShowAs != "busy" || !i.Start.Equal(hour(2, 9)) {
		s.Errorf("%+v", i)
	}
	_, err := s.Reader.Read(s.Context(), s.Basic, s.Mailbox, id)
	s.refused("read", err, graph.Unreachable, graph.ReasonOutsideScope)
}

func goneEvent(s readSuite) {
	id := s.Desk.Add(entry("a", 2))
	s.Desk.Delete(id)
	for _, id := range []string{id, "AAA=", "not an id", "a/b?c#d%2e"} {
		item, err := s.Reader.Read(s.Context(), s.app(), s.Mailbox, id)
		s.refused(id, err, graph.Gone, "")
		if item.ID != "" {
			s.Errorf("%+v", item)
		}
	}
	for _, id := range []string{"", ".", ".."} {
		_, err := s.Reader.Read(s.Context(), s.app(), s.Mailbox, id)
		s.refused("a step", err, graph.Invalid, graph.ReasonRefused)
	}
	id = s.Desk.Add(entry("b", 3))
	_, err := s.Reader.Read(s.Context(), s.app(), s.Second, id)
	s.refused("of another mailbox", err, graph.Gone, "")
}

func readDay(s readSuite) {
	daily := entry("daily", 7)
	daily.Days = 3
	series := s.Desk.Add(daily)
	days := s.Desk.Days(series, december, january)
	s.Desk.Delete(days[2])
	for id, kind := range map[string]graph.ItemKind{series: graph.Master, days[1]: graph.Occurrence} {
		i, err := s.Reader.Read(s.Context(), s.app(), s.Mailbox, id)
		if err != nil || i.ID != id || i.Kind != kind || i.Subject != "daily" || kind == graph.Occurrence && (i.Series != series || !i.Original.Equal(hour(8, 9))) {
			s.Errorf("%v: %+v, %v", kind, i, err)
		}
	}
	_, err := s.Reader.Read(s.Context(), s.app(), s.Mailbox, days[2])
	s.refused("a deleted day", err, graph.Gone, "")
}
