package portal

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/identity"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

var planner = map[string]any{"profile": "planning"}

// R2, R3, R6: several accounts of several tenants, least first, a change that needs
// more signs in and leaves the old direction in force until then, one primary, pause.
func TestAPlannerHasSeveralAccountsWithADirectionEach(t *testing.T) {
	s := connectable(t, planner)
	b, apps := s.veras()
	start := b.get(apps.href("Connect Outlook calendar")).is(200, "Connect your Outlook calendar").says("What should Booker do with this calendar?")
	if _, form := start.form("Continue to Microsoft"); form.Get("choice") != "down:busy" {
		t.Errorf("chosen is %q", form.Get("choice"))
	}
	q := b.press(start, "Continue to Microsoft").away("authorize")
	if l := s.entra.leaves[0]; l.Tenant != identity.Organizations || !slices.Equal(l.Scopes, []string{"Calendars.ReadBasic"}) {
		t.Errorf("left with %+v", l)
	}
	b.press(b.returns(q, s.account(contoso, objectVera, "vera@acme.example", "Calendars.ReadBasic")).says("see when you are busy, and nothing else"), "Yes, connect it", "answer", "yes").
		is(200, "Your calendar is connected").says("reads this calendar from now on")
	first := s.connections("u-17")[0]

	// Up needs more than was granted.
	apps = b.get(apps.path)
	more := b.press(apps, "Change what it is used for", "choice", "up:readwrite").is(200, "Connect vera@acme.example again")
	if now := s.connections("u-17")[0]; now.Direction != connection.Down {
		t.Errorf("the old direction is not in force: %s", now.Direction)
	}
	q = b.press(more, "Continue to Microsoft").away("authorize")
	if l := s.entra.leaves[1]; l.Tenant != contoso || !slices.Equal(l.Scopes, []string{"Calendars.ReadWrite"}) {
		t.Errorf("left with %+v", l)
	}
	b.press(b.returns(q, s.vera()).is(200, "Is this right?"), "Yes, connect it", "answer", "yes")
	all := s.connections("u-17")
	if len(all) != 1 || all[0].ID != first.ID || all[0].Direction != connection.Up {
		t.Fatalf("got %+v", all)
	}

	// A second account, of another tenant, with the address that it has there.
	q = b.leave(b.get(apps.path), "Connect another account", "choice", "both:readwrite", "account", "other")
	if l := s.entra.leaves[2]; l.Prompt != "select_account" || l.LoginHint != "" {
		t.Errorf("left with %+v", l)
	}
	b.press(b.returns(q, s.account(fabrikam, objectBob, "vera@fabrikam.example")).is(200, "Please look twice"), "Continue", "answer", "yes").is(200, "Your calendar is connected")
	apps = b.get(apps.path).says("Your bookings are written to this calendar.")
	b.press(apps, "Write future bookings here").says("Future bookings are written to the calendar that you chose")
	primary, _ := connection.Primary(s.connections("u-17"))
	if primary.Account.Tenant != fabrikam {
		t.Errorf("primary is %+v", primary)
	}
	b.press(b.get(apps.path), "Nothing is written or read while it is paused").says("It is paused").says("Paused since")
	b.press(b.get(b.get(apps.path).href("Disconnect")).says("My Apps").says("Enterprise applications").says("stay there"), "Disconnect").says("It is disconnected")
	if got := s.connections("u-17"); len(got) != 1 || !got[0].Primary {
		t.Errorf("got %+v", got)
	}
}

// The first connection cannot be none, and what a profile does not offer cannot be asked for.
func TestWhatIsNotOfferedCannotBeChosen(t *testing.T) {
	for _, c := range []struct {
		settings map[string]any
		choice   string
	}{{planner, "none:busy"}, {planner, "none:"}, {planner, "up:busy"}, {planner, "x"}, {nil, "down:busy"}, {nil, "both:readwrite"}} {
		s := connectable(t, c.settings)
		b, apps := s.veras()
		start := b.get(apps.href("Connect Outlook calendar"))
		b.press(start, "Continue to Microsoft", "choice", c.choice).is(403, "This cannot be chosen")
		if len(s.entra.leaves) != 0 {
			t.Errorf("%s: sent to Microsoft", c.choice)
		}
	}
}

// A traveller has no cards: what planners may, their pages refuse.
func TestATravellerCannotPauseOrReadOnly(t *testing.T) {
	s := connectable(t, nil)
	b, apps := s.veras()
	b.press(b.returns(b.leave(apps, "Connect Outlook calendar"), s.vera()), "Yes, connect it", "answer", "yes")
	apps = b.get(apps.path).saysNot("Pause").saysNot("Connect another account")
	_, form := b.get(apps.href("Disconnect")).form("Disconnect")
	b.post(apps.path+"/pause", form).is(403, "This cannot be chosen")
	form.Set("choice", "up:readwrite")
	b.post(apps.path+"/change", form).is(403, "This cannot be chosen")
	b.press(b.get(apps.href("Disconnect")), "Disconnect").is(200, "Connected apps").says("No calendar is connected")
	b.post(apps.path+"/disconnect", form).is(200, "Connected apps") // a double click
}

// A person who connects another account instead of one that is connected gets their
// bookings there.
func TestATravellersNewAccountTakesTheBookings(t *testing.T) {
	s := connectable(t, map[string]any{"addressMatch": "warn"})
	b, apps := s.veras()
	b.press(b.returns(b.leave(apps, "Connect Outlook calendar"), s.vera()), "Yes, connect it", "answer", "yes")
	question := b.returns(b.leaveAgain(apps), s.account(contoso, objectBob, "vera.virtanen@acme.example")).says("Bookings have gone to vera@acme.example so far")
	b.press(question, "Continue", "answer", "yes").is(200, "Your calendar is connected")
	if primary, _ := connection.Primary(s.connections("u-17")); primary.Account.ObjectID != objectBob {
		t.Errorf("primary is %+v", primary)
	}
}

// The mailbox is looked at with the token at hand, and every cause has its words.
func TestAMailboxThatCannotBeUsedIsSaidBeforeItIsConnected(t *testing.T) {
	for reason, says := range map[string]string{
		"mailbox-on-premises": "on an Exchange server of your organisation",
		"mailbox-unavailable": "without an Exchange Online licence",
		"outside-scope":       "outside of what your administrator allowed",
	} {
		t.Run(reason, func(t *testing.T) {
			s := connectable(t, nil)
			s.boxes.err = &graph.Error{Kind: graph.Unreachable, Status: 404, Reason: reason}
			b, apps := s.veras()
			question := b.returns(b.leave(apps, "Connect Outlook calendar"), s.vera()).is(200, "Please look twice").says(says).says("bookings come as files")
			b.press(question, "Continue", "answer", "yes").is(200, "Your calendar is connected").says(says)
			if c := s.connections("u-17")[0]; c.State != connection.Unreachable || c.Cause != reason {
				t.Errorf("got %+v", c)
			}
			b.get(apps.path).says(says).says("the mailbox has not been reachable")
		})
	}
	s := connectable(t, nil)
	s.boxes.err = &graph.Error{Kind: graph.Unreachable, Status: 404, Reason: "mailbox-not-found"}
	b, apps := s.veras()
	b.returns(b.leave(apps, "Connect Outlook calendar"), s.vera()).is(200, "This account has no mailbox")
	s.boxes.err = &graph.Error{Kind: graph.Unauthorised, Status: 401}
	b.returns(b.leaveAgain(apps), s.vera()).is(200, "Microsoft 365 does not answer properly")
	if got := s.connections("u-17"); len(got) != 0 {
		t.Errorf("connected: %+v", got)
	}
}

// Less granted than asked: nothing is stored, and a connection that exists stays as it is.
func TestLessThanAskedForConnectsNothing(t *testing.T) {
	s := connectable(t, planner)
	b, apps := s.veras()
	b.returns(b.leave(apps, "Connect Outlook calendar", "choice", "up:readwrite"), s.account(contoso, objectVera, "vera@acme.example", "Calendars.ReadBasic")).
		is(200, "Not all that is needed was allowed")
	if got := s.connections("u-17"); len(got) != 0 {
		t.Errorf("connected: %+v", got)
	}
	// More than asked for is no trouble (a tenant-wide grant): the direction is enforced in code.
	b.press(b.returns(b.leaveWith(apps, "down:busy"), s.vera()), "Yes, connect it", "answer", "yes").is(200, "Your calendar is connected")
	if c := s.connections("u-17")[0]; c.Direction != connection.Down || c.Scope != connection.Busy || c.Writes() {
		t.Errorf("got %+v", c)
	}
}

func (b *browser) leaveWith(apps shown, choice string) url.Values {
	b.t.Helper()
	grant := strings.TrimPrefix(apps.path, "/api/portal/apps/")
	return b.press(b.get("/api/connect/start?grant="+grant), "Continue to Microsoft", "choice", choice).away("authorize")
}

// R4: somebody who did not come back for ten minutes is told why that may be, and how
// the link for the administrator is found; another attempt is not disturbed.
func TestAnAttemptThatDidNotReturnIsShownAsUnfinished(t *testing.T) {
	s := connectable(t, planner)
	b, apps := s.veras()
	q := b.leave(apps, "Connect Outlook calendar")
	page := "/api/portal/attempt/" + q.Get("state")[:26]
	b.get(page).is(200, "You have not come back from Microsoft yet").says("If Microsoft shows “Need admin approval”")
	b.get(apps.path).saysNot("An attempt was not finished")
	s.now = s.now.Add(unfinishedAfter)
	s.organize("acme", map[string]any{"profile": "planning", "module": true})
	b.get(page).is(200, "This attempt was not finished").says("Need admin approval")
	b.get(apps.path).says("An attempt was not finished").says("Need admin approval").says("Link for your administrator")
	// It may still come back.
	b.press(b.returns(q, s.account(contoso, objectVera, "vera@acme.example", "Calendars.ReadBasic")), "Yes, connect it", "answer", "yes").is(200, "Your calendar is connected")
	b.get(apps.path).saysNot("An attempt was not finished")
}

// The consent link is offered to be forwarded, where there is one.
func TestTheConsentLinkIsOfferedWhereAnAdministratorHasToApprove(t *testing.T) {
	s := connectable(t, planner)
	s.organize("acme", map[string]any{"profile": "planning", "module": true})
	s.now = s.now.Add(time.Second) // what was made in the second of the binding did its work
	b, apps := s.veras()
	b.get(apps.href("Connect Outlook calendar")).says("Send this link to your administrator")
	b.get(apps.href("Connect Outlook calendar"))
	l := s.consentLink(t) // made once, for whoever asks first
	if l.By != "vera@acme.example" {
		t.Errorf("asked for by %q", l.By)
	}
	q := b.leave(apps, "Connect Outlook calendar")
	p := b.fails(q, "error", "access_denied", "error_description", "AADSTS90094: x Correlation ID: 12345678-1234-1234-1234-123456789012 y")
	p.says("12345678-1234-1234-1234-123456789012")
	if !strings.Contains(string(p.Body), strings.ReplaceAll(s.keys.URL(publicURL, l.ID, l.Role), "&", "&amp;")) {
		t.Errorf("no consent link on\n%s", p.Body)
	}
}

// What stopped half-way says so, once it cannot be under way any more.
func TestACallbackThatStoppedHalfWaySaysSo(t *testing.T) {
	s := connectable(t, nil)
	b, apps := s.veras()
	q := b.leave(apps, "Connect Outlook calendar")
	id := q.Get("state")[:26]
	f, err := s.flows.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	f.Used, f.Sealed = s.now, nil
	if _, err := s.flows.Put(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if p := b.get("/api/portal/attempt/"+id).is(200, "One moment"); p.Header.Get("Refresh") == "" {
		t.Error("the page does not look again")
	}
	s.now = s.now.Add(workingFor)
	b.returns(q, s.vera()).is(200, "It stopped half-way")
}

// T3: the organisation admin's own sign-in proves the tenant and connects their
// calendar; a missing mailbox, sync that is off, and a missing consent do not block it.
func TestTheOrganisationAdminProvesTheTenant(t *testing.T) {
	admin := func(s *site) (*browser, string) {
		b := s.browser()
		setup := b.enter(s.link(state.OrgAdmin, nil))
		return b, strings.TrimPrefix(setup.path, "/api/portal/setup/")
	}
	start := func(b *browser, grant string) url.Values {
		return b.press(b.get("/api/connect/start?grant="+grant), "Continue to Microsoft").away("authorize")
	}
	t.Run("with a mailbox", func(t *testing.T) {
		s := connectable(t, map[string]any{"sync": false})
		b, grant := admin(s)
		question := b.returns(start(b, grant), s.vera()).is(200, "Is this right?")
		b.press(question, "Yes, connect it", "answer", "yes").is(200, "Your calendar is connected")
		if got := s.connections("u-17"); len(got) != 1 || s.org("acme").State.AdminTenant != contoso {
			t.Errorf("got %+v, %+v", got, s.org("acme").State)
		}
	})
	t.Run("without a mailbox", func(t *testing.T) {
		s := connectable(t, nil)
		s.boxes.err = &graph.Error{Kind: graph.Unreachable, Status: 404, Reason: "mailbox-not-found"}
		b, grant := admin(s)
		question := b.returns(start(b, grant), s.vera()).is(200, "Is this right?").says("calendar sync can be switched on without a mailbox")
		b.press(question, "Yes, this is our Microsoft 365", "answer", "yes").is(200, "You are signed in").says("Calendar sync needs no mailbox")
		if got := s.connections("u-17"); len(got) != 0 || s.org("acme").State.AdminTenant != contoso {
			t.Errorf("got %+v, %+v", got, s.org("acme").State)
		}
	})
	t.Run("before anybody consented", func(t *testing.T) {
		s := newSite(t)
		b, grant := admin(s)
		b.press(b.returns(start(b, grant), identity.SignedIn{Tenant: contoso, ObjectID: objectVera, UserName: "vera@acme.example"}), "Yes, this is our Microsoft 365", "answer", "yes").is(200, "You are signed in")
		if l := s.entra.leaves[0]; l.Tenant != identity.Organizations || len(l.Scopes) != 0 {
			t.Errorf("left with %+v", l)
		}
		if st := s.org("acme").State; st.AdminTenant != contoso || st.Tenant != "" {
			t.Errorf("got %+v", st)
		}
	})
	t.Run("and says no", func(t *testing.T) {
		s := newSite(t)
		b, grant := admin(s)
		b.press(b.returns(start(b, grant), identity.SignedIn{Tenant: contoso, ObjectID: objectVera}), "No, connect nothing", "answer", "no").is(200, "Nothing was connected")
		if st := s.org("acme").State; st.AdminTenant != "" {
			t.Errorf("got %+v", st)
		}
	})
	t.Run("of an organisation whose administrator consents for all (L1)", func(t *testing.T) {
		s := connectable(t, map[string]any{"profile": "training"})
		b, grant := admin(s)
		q := start(b, grant)
		if l := s.entra.leaves[0]; l.Tenant != contoso || len(l.Scopes) != 0 {
			t.Errorf("left with %+v", l)
		}
		b.press(b.returns(q, identity.SignedIn{Tenant: contoso, ObjectID: objectVera}), "Yes, this is our Microsoft 365", "answer", "yes").is(200, "You are signed in")
		if len(s.boxes.asked) != 0 || s.org("acme").State.AdminTenant != contoso {
			t.Errorf("a mailbox was looked at, or nothing proven: %+v", s.org("acme").State)
		}
	})
	t.Run("and binds what waited for it", func(t *testing.T) {
		s := newSite(t)
		e := s.browser()
		e.press(e.signs(e.consented(contoso), adminOf(contoso)), "Yes, connect it")
		if st := s.org("acme").State; st.Tenant != "" {
			t.Fatalf("bound too early: %+v", st)
		}
		b, grant := admin(s)
		q := start(b, grant)
		if l := s.entra.leaves[len(s.entra.leaves)-1]; l.Tenant != contoso {
			t.Errorf("left with %+v", l)
		}
		b.press(b.returns(q, s.vera()), "Yes, connect it", "answer", "yes").is(200, "Your calendar is connected")
		if st := s.org("acme").State; st.Tenant != contoso || st.BoundBy != organization.BoundByConsent {
			t.Errorf("not bound: %+v", st)
		}
	})
}

func TestARoomManagerSignsIn(t *testing.T) {
	s := connectable(t, map[string]any{"profile": "rooms"})
	b := s.browser()
	rooms := b.enter(s.link(state.RoomManager, nil)).is(200, "Rooms")
	q := b.leave(rooms, "Sign in")
	if l := s.entra.leaves[0]; l.Tenant != contoso || !slices.Equal(l.Scopes, []string{placeRead}) {
		t.Errorf("left with %+v", l)
	}
	who := s.account(contoso, objectVera, "rooms@acme.example", placeRead)
	b.press(b.returns(q, who).is(200, "Is this right?"), "Yes, this is the right account", "answer", "yes").is(200, "You are signed in")
	s.noTokensInFlows(q)
	b.get(rooms.path).says("You signed in as rooms@acme.example")
	who.Granted = nil
	b.returns(b.leave(b.get(rooms.path), "Sign in again"), who).is(200, "Not all that is needed was allowed")
	if got := s.connections("u-17"); len(got) != 0 {
		t.Errorf("connected: %+v", got)
	}
}

// T5, L3: "not now" is remembered and leads back; the page offers it all the same.
func TestAnOfferThatWasDismissedCanBeTakenLater(t *testing.T) {
	s := connectable(t, nil)
	b, apps := s.veras()
	if p := b.press(apps, "Not now"); p.Header.Get("Location") != "https://booker.example/back" {
		t.Errorf("led to %q", p.Header.Get("Location"))
	}
	who, err := s.engine.Person(context.Background(), "acme", "u-17")
	if err != nil || who.Offer != "none" {
		t.Errorf("offer is %q, %v", who.Offer, err)
	}
	apps = b.get(apps.path).saysNot("Not now")
	b.leave(apps, "Connect Outlook calendar")
}

func TestAPersonMaySwitchTheirBookingsOffWhereItIsAllowed(t *testing.T) {
	s := connectable(t, nil)
	b, apps := s.veras()
	out := b.press(apps, "Switch off for me").says("Bookings are not written into your calendar any more")
	b.press(out, "Switch on again").says("Bookings are written into your calendar again")
	s = connectable(t, map[string]any{"optOut": false})
	b, apps = s.veras()
	_, form := apps.saysNot("Switch off for me").form("Not now")
	b.post(apps.path+"/optout", form).is(403, "This cannot be chosen")
}

// Whoever cannot connect is told why, and whose turn it is, before they leave.
func TestWhoCannotConnectIsToldWhy(t *testing.T) {
	for name, c := range map[string]struct {
		settings map[string]any
		title    string
		make     func(*testing.T, map[string]any) *site
	}{
		"module off": {map[string]any{"module": false}, "The calendar connection is not switched on", nil},
		"sync off":   {map[string]any{"sync": false}, "Calendar sync is switched off", nil},
		"by consent": {map[string]any{"profile": "training"}, "You need not connect anything", nil},
		"no consent": {nil, "The administrator has not allowed it yet", func(t *testing.T, _ map[string]any) *site {
			s := newSite(t)
			s.organize("acme", map[string]any{"sync": true})
			return s
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var s *site
			if c.make != nil {
				s = c.make(t, c.settings)
			} else {
				s = connectable(t, nil)
			}
			b, apps := s.veras()
			grant := strings.TrimPrefix(apps.path, "/api/portal/apps/")
			if c.settings != nil {
				s.organize("acme", c.settings)
			}
			b.get("/api/connect/start?grant="+grant).is(403, c.title)
		})
	}
	s := connectable(t, nil)
	b, apps := s.veras()
	b.press(b.returns(b.leave(apps, "Connect Outlook calendar"), s.vera()), "Yes, connect it", "answer", "yes")
	mine := s.connections("u-17")[0]
	s.dies(mine, connection.BlockedByPolicy, "53003")
	grant := strings.TrimPrefix(apps.path, "/api/portal/apps/")
	b.get("/api/connect/start?"+url.Values{"grant": {grant}, "connection": {mine.ID.String()}}.Encode()).is(403, "Signing in again would not help")
	b.get(apps.path).saysNot("Connect again").says("AADSTS53003").says("c0ffee00-1111-2222-3333-444444444444").says("your administrator (the IT department)")
}

// What an error of Graph or Entra asked for goes with the next sign-in.
func TestAChallengeGoesWithTheNextSignIn(t *testing.T) {
	s := connectable(t, nil)
	b, apps := s.veras()
	b.press(b.returns(b.leave(apps, "Connect Outlook calendar"), s.vera()), "Yes, connect it", "answer", "yes")
	mine := s.connections("u-17")[0]
	rows := state.NewConnections(s.store)
	row, err := rows.Get(t.Context(), "acme", mine.ID)
	if err != nil {
		t.Fatal(err)
	}
	row.State, row.Cause, row.Claims = connection.NeedsReauth, "50076", `{"access_token":{}}`
	if _, err := rows.Put(t.Context(), row.Connection, row.Sealed, row.ETag); err != nil {
		t.Fatal(err)
	}
	b.leave(b.get(apps.path).says("a second step"), "Connect again")
	if l := s.entra.leaves[1]; l.Claims != row.Claims || l.LoginHint != "vera@acme.example" {
		t.Errorf("left with %+v", l)
	}
}

// The module is switched off while somebody is at Microsoft: nothing is connected.
func TestWhatIsSwitchedOffMeanwhileIsNotConnected(t *testing.T) {
	for settings, title := range map[string]string{"module": "The calendar connection is not switched on", "sync": "Calendar sync is switched off"} {
		s := connectable(t, nil)
		b, apps := s.veras()
		question := b.returns(b.leave(apps, "Connect Outlook calendar"), s.vera())
		s.organize("acme", map[string]any{settings: false})
		b.press(question, "Yes, connect it", "answer", "yes").is(403, title)
		if got := s.connections("u-17"); len(got) != 0 {
			t.Errorf("connected: %+v", got)
		}
	}
}

// We stop after the person said yes: pressing again brings it to its end, and it is
// known what was stored before.
func TestWhatWasConfirmedIsBroughtToItsEnd(t *testing.T) {
	for _, c := range []struct {
		name   string
		stored bool
		finish func(*site, *browser, shown) shown
		title  string
		left   int
	}{
		{"says yes again", false, func(s *site, b *browser, q shown) shown {
			b.get(q.path).is(200, "One moment")
			s.now = s.now.Add(workingFor)
			return b.press(b.get(q.path).is(200, "It stopped half-way"), "Continue", "answer", "yes")
		}, "Your calendar is connected", 1},
		{"says yes again, all was stored", true, func(s *site, b *browser, q shown) shown {
			return b.press(q, "Yes, connect it", "answer", "yes")
		}, "Your calendar is connected", 1},
		{"says no, too late", true, func(s *site, b *browser, q shown) shown {
			b.press(q, "Yes, connect it", "answer", "no").is(200, "One moment")
			s.now = s.now.Add(outcomeLife)
			return b.get(q.path)
		}, "Your calendar is connected", 1},
		{"never comes back", false, func(s *site, b *browser, q shown) shown {
			s.now = s.now.Add(outcomeLife)
			return b.get(q.path)
		}, "It stopped half-way", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := connectable(t, nil)
			b, apps := s.veras()
			q := b.leave(apps, "Connect Outlook calendar")
			question := b.returns(q, s.vera())
			id := q.Get("state")[:26]
			before, err := s.flows.Get(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if c.stored {
				b.press(question, "Yes, connect it", "answer", "yes").is(200, "Your calendar is connected")
			}
			now, err := s.flows.Get(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			j, err := journeyOf(before)
			if err != nil {
				t.Fatal(err)
			}
			j.Said = s.now
			before.Step, before.Detail, before.ETag = stepYes, j.encode(), now.ETag // as it was before the last write
			if _, err := s.flows.Put(t.Context(), before); err != nil {
				t.Fatal(err)
			}
			c.finish(s, b, question).is(200, c.title)
			if got := s.connections("u-17"); len(got) != c.left {
				t.Errorf("got %+v", got)
			}
			s.noTokensInFlows(q)
		})
	}
}
