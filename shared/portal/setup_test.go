package portal

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/announce"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/link"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

// counting is the engine with the numbers that a test wants.
type counting struct {
	*engine.Engine
	summary  engine.Summary
	stale    engine.Stale
	switched []bool // on, remove
}

func (c *counting) Summary(context.Context, string) (engine.Summary, error) { return c.summary, nil }
func (c *counting) Stale(context.Context, string) (engine.Stale, error)     { return c.stale, nil }
func (c *counting) SetSync(ctx context.Context, id string, on, remove bool) error {
	c.switched = append(c.switched, on, remove)
	return c.Engine.SetSync(ctx, id, on, remove)
}

func (s *site) counts(c *counting) *counting {
	c.Engine = s.engine
	s.portal.deps.Setup = c
	return c
}

func setupPages(t testing.TB) map[string]func() shown {
	in := func(prepare func(s *site)) func() shown {
		return func() shown {
			s := newSite(t)
			prepare(s)
			return s.browser().enter(s.link(state.OrgAdmin, nil))
		}
	}
	left := func(s *site) (*browser, string) {
		b := s.browser()
		return b, b.press(b.enter(s.link(state.EntraAdmin, nil)), "Continue to Microsoft").away("adminconsent").Get("state")
	}
	return map[string]func() shown{
		"setup-new": in(func(*site) {}),
		"setup-link": in(func(s *site) {
			l := s.link(state.EntraAdmin, nil)
			s.now = s.now.Add(time.Hour)
			s.browser().get(l.URL)
		}),
		"setup-started": in(func(s *site) { left(s) }),
		"setup-unfinished": in(func(s *site) {
			left(s)
			s.now = s.now.Add(10 * time.Minute)
		}),
		"setup-refused": in(func(s *site) {
			b, state := left(s)
			b.back(url.Values{"error": {"access_denied"}, "state": {state}})
		}),
		"setup-yours": in(func(s *site) {
			b := s.browser()
			b.press(b.signs(b.consented(contoso), adminOf(contoso)), "Yes, connect it")
		}),
		"setup-pending": in(func(s *site) {
			b, who := s.browser(), adminOf(contoso)
			who.Wids = nil
			b.press(b.signs(b.consented(contoso), who), "Yes, connect it")
		}),
		"setup-granted": in(func(s *site) {
			s.prove(t)
			b := s.browser()
			b.press(b.signs(b.consented(contoso), adminOf(contoso)), "Yes, connect it")
			s.counts(&counting{summary: engine.Summary{People: 12, Inactive: 1, Dismissed: 2,
				States: map[string]int{"none": 3, "connected": 5, "needs-reauth": 3, "blocked-by-policy": 1},
				Causes: map[string]map[string]int{"needs-reauth": {"50173": 2, "700082": 1}, "blocked-by-policy": {"53003": 1}}}})
		}),
		"setup-operator": in(func(s *site) { s.bound(t, "acme", contoso) }),
		"setup-missing": in(func(s *site) {
			s.bound(t, "acme", contoso)
			s.consent(t, organization.ConsentMissing)
		}),
		"setup-application": in(func(s *site) {
			s.organize("acme", map[string]any{"profile": "training"})
			s.bound(t, "acme", contoso)
			s.counts(&counting{summary: engine.Summary{People: 5000, More: true,
				Mailboxes: map[string]int{"ok": 4000, "unknown": 900, "mailbox-not-found": 99, "outside-scope": 1}}})
		}),
		"setup-any": in(func(s *site) {
			s.organize("acme", planners)
			b := s.browser()
			b.press(b.signs(b.consented(fabrikam), adminOf(fabrikam)), "Yes, allow it for our people")
		}),
		"setup-scoped": in(func(s *site) {
			s.organize("acme", scoped)
			s.prove(t)
			b := s.browser()
			b.press(b.signs(b.press(b.enter(s.link(state.EntraAdmin, nil)), "Continue to Microsoft"), adminOf(contoso)), "Yes, connect it")
		}),
		"setup-sync-on": func() shown {
			s := newSite(t)
			b := s.browser()
			return b.press(b.enter(s.link(state.OrgAdmin, nil)), "Switch calendar sync on")
		},
		"sync-off": func() shown {
			s := newSite(t)
			s.counts(&counting{stale: engine.Stale{Events: 41}})
			b := s.browser()
			p := b.press(b.enter(s.link(state.OrgAdmin, nil)), "Switch calendar sync on")
			path, _, _ := strings.Cut(p.path, "?")
			return b.get(path + "?switch=off")
		},
	}
}

func TestTheOrgAdminCopiesALinkAndMakesANewOneWhichEndsTheOld(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	p := b.press(b.enter(s.link(state.OrgAdmin, nil)), "Make a consent link").says("There is a new consent link").says("Nobody has opened it yet")
	first := s.consentLink(t)
	p.says("Made on 21 November 2026, 14:05 (Europe/Helsinki). It works until 21 December 2026, 14:05 (Europe/Helsinki).")
	if !strings.Contains(string(p.Body), strings.ReplaceAll(s.keys.URL(publicURL, first.ID, first.Role), "&", "&amp;")) {
		t.Errorf("the link is not on\n%s", p.Body)
	}
	entra := s.browser()
	entra.enter(link.Issued{URL: s.keys.URL(publicURL, first.ID, first.Role)}).says("vera@acme.example asked for this on 21 November 2026")
	s.now = s.now.Add(time.Minute)
	b.get(p.path).says("Last opened on 21 November 2026, 14:05")
	b.press(p, "Make a new link (the old one stops)")
	entra.get(s.keys.URL(publicURL, first.ID, first.Role)).is(410, "This link is not used any more")
	if second := s.consentLink(t); second.ID == first.ID || !second.Ended.IsZero() {
		t.Errorf("%+v", second)
	}
}

// consentLink is the newest.
func (s *site) consentLink(t testing.TB) state.Link {
	t.Helper()
	for l, err := range s.links.Of(context.Background(), "acme", state.EntraAdmin) {
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	t.Fatal("there is none")
	return state.Link{}
}

func TestAnAttemptThatDidNotComeBackIsShownAfterTenMinutes(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	setup := b.enter(s.link(state.OrgAdmin, nil)).says("Nobody has started yet")
	b.press(b.enter(s.link(state.EntraAdmin, nil)), "Continue to Microsoft").away("adminconsent")
	b.get(setup.path).says("Started at 14:05.")
	s.now = s.now.Add(10*time.Minute - time.Second)
	b.get(setup.path).says("Started at 14:05.")
	s.now = s.now.Add(time.Second)
	b.get(setup.path).says("Started 14:05, not finished.").says("Need admin approval")
}

func TestSyncIsSwitchedOnAndOffWithTheEventsThatWouldGoStale(t *testing.T) {
	s := newSite(t)
	c := s.counts(&counting{stale: engine.Stale{Events: 41}})
	b := s.browser()
	p := b.press(b.enter(s.link(state.OrgAdmin, nil)), "Switch calendar sync on").says("Calendar sync is on.")
	if !s.org("acme").Sync {
		t.Fatal("is off")
	}
	path, _, _ := strings.Cut(p.path, "?")
	ask := b.get(path + "?switch=off").says("41 upcoming events")
	if !s.org("acme").Sync {
		t.Fatal("asking switched it off")
	}
	off := b.press(ask, "Switch calendar sync off", "remove", "yes").says("are being removed")
	if s.org("acme").Sync || len(c.switched) != 4 || !c.switched[3] {
		t.Errorf("%v", c.switched)
	}
	// Off is the safe way: events stay unless it is said.
	b.press(off, "Switch calendar sync on")
	b.press(b.get(path+"?switch=off"), "Switch calendar sync off").says("Nothing is written any more")
	if c.switched[len(c.switched)-1] {
		t.Error("removed without being asked")
	}
	// A double click, and the other tab.
	b.press(ask, "Switch calendar sync off").says("Calendar sync is off")
	action, form := p.form("")
	form.Set("sync", "perhaps")
	b.post(strings.Replace(action, "/link", "/sync", 1), form).is(400, "The form could not be read")
}

func TestPeopleAreCountedByStateWithCauses(t *testing.T) {
	s := newSite(t)
	user, email := "u-1", "a@acme.example"
	if err := s.engine.Announce(context.Background(), "acme", []announce.Person{{User: user, Email: &email}}); err != nil {
		t.Fatal(err)
	}
	b := s.browser()
	b.enter(s.link(state.OrgAdmin, nil)).says("1 person.").says("Not connected")
	s.counts(&counting{summary: engine.Summary{People: 3, States: map[string]int{"needs-reauth": 3}, Causes: map[string]map[string]int{"needs-reauth": {"50173": 2, "somewhat": 1}}}})
	b.enter(s.link(state.OrgAdmin, nil)).says("Have to connect again").says("2 people:").says("AADSTS50173")
}

// Where people sign in, reaching a calendar is no evidence for the organisation, so the
// page does not promise that it becomes one.
func TestAConsentIsProvenByWhatCanProveIt(t *testing.T) {
	setupPages(t)["setup-granted"]().says("Each person's own sign-in proves the rest.").saysNot("The first calendar that is reached")
}

func TestTheSecondOfTwoLinksThatWereMadeAtOnceIsShown(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	p := b.enter(s.link(state.OrgAdmin, nil))
	action, form := p.form("Make a consent link")
	b.post(action, form)
	s.now = s.now.Add(time.Second)
	last := b.post(action, form)
	live := 0
	for l, err := range s.links.Of(context.Background(), "acme", state.EntraAdmin) {
		if err != nil {
			t.Fatal(err)
		}
		if l.Live(s.now) {
			live++
			if !strings.Contains(string(last.Body), l.ID) {
				t.Error("another link is shown")
			}
		}
	}
	if live != 1 {
		t.Errorf("%d links are live", live)
	}
}
