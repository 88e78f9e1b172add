package portal

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/state"
)

// fakeLists is a Graph of which every mailbox lists the same calendars.
type fakeLists struct {
	all   []graph.Folder
	err   error
	asked []graph.Access
}

func (f *fakeLists) Calendars(_ context.Context, as graph.Access, _ string) ([]graph.Folder, error) {
	f.asked = append(f.asked, as)
	return slices.Clone(f.all), f.err
}

// veras are the calendars of somebody who has two of one name, odd names, and one that Bo shares.
func verasCalendars() []graph.Folder {
	const own = "vera@acme.example"
	return []graph.Folder{
		{ID: "AAMkDefault=", Name: "Calendar", Default: true, Owner: own, Color: "auto"},
		{ID: "AAMkTeam1=", Name: "Team", Owner: own, Color: "lightBlue"},
		{ID: "AAMkTeam2=", Name: "team", Owner: own, Color: "lightRed"},
		{ID: "AAMkOHara=", Name: "O'Hara's \"<b>\" 📅", Owner: own, Color: "lightTeal"},
		{ID: "AAMkUnnamed=", Owner: own},
		{ID: "AAMkBo=", Name: "Bo Berg", Owner: "bo@acme.example", OwnerName: "Bo Berg"},
	}
}

// reading is a browser with the apps page of Vera, whose account is connected for a choice.
func reading(t testing.TB, choice string) (*site, *browser, shown) {
	t.Helper()
	s := connectable(t, planner)
	s.lists.all = verasCalendars()
	b, apps := s.veras()
	who := s.vera()
	who.Granted = map[string][]string{"down:busy": {"Calendars.ReadBasic"}, "down:details": {"Calendars.Read"},
		"down:shared": {"Calendars.Read", "Calendars.Read.Shared"}, "both:readwrite": {"Calendars.ReadWrite"}, "up:readwrite": {"Calendars.ReadWrite"}}[choice]
	b.press(b.returns(b.leaveWith(apps, choice), who), "Yes, connect it", "answer", "yes").is(200, "Your calendar is connected")
	return s, b, b.get(apps.path)
}

// ticked are the calendars that a page has ticked.
func (p shown) ticked() []string {
	_, fields := p.form("Save")
	return fields["calendar"]
}

// tick sends the page's form with these values ticked.
func (b *browser) tick(p shown, values ...string) shown {
	b.t.Helper()
	action, fields := p.form("Save")
	fields["calendar"] = values
	return b.post(action, fields)
}

// chosen are the ids that are stored.
func (s *site) chosen() (ids []string) {
	for _, c := range s.connections("u-17")[0].Calendars {
		ids = append(ids, c.ID)
	}
	return ids
}

const calendarsTitle = "Choose calendars of vera@acme.example"

func TestSeveralCalendarsAreChosenAndShown(t *testing.T) {
	s, b, apps := reading(t, "both:readwrite")
	apps.says("Your own calendar. Choose calendars")
	page := b.get(apps.href("Choose calendars")).is(200, calendarsTitle)
	if got := page.ticked(); !slices.Equal(got, []string{"default:AAMkDefault="}) {
		t.Errorf("ticked at first: %q", got)
	}
	page.says("Team number 1 of 2 with this name, light blue in Outlook").says("O'Hara's \"<b>\" 📅").says("(without a name)").saysNot("Bo Berg").saysNot("<b>")
	done := b.tick(page, "AAMkTeam2=", "default:AAMkDefault=", "AAMkTeam2=").is(200, "Connected apps").says("The calendars that you ticked are read from now on.")
	done.says("team, Calendar. Choose calendars")
	if got := s.chosen(); !slices.Equal(got, []string{"AAMkTeam2=", "AAMkDefault="}) {
		t.Errorf("stored %q", got)
	}
	page = b.get(done.href("Choose calendars"))
	if got := page.ticked(); !slices.Equal(got, []string{"default:AAMkDefault=", "AAMkTeam2="}) {
		t.Errorf("ticked then: %q", got)
	}
	asked := len(s.lists.asked)
	b.tick(page, "default:AAMkDefault=").says("Your own calendar. Choose calendars")
	if got := s.chosen(); len(got) != 0 || len(s.lists.asked) != asked {
		t.Errorf("the own one alone: %q, %d requests to Graph", got, len(s.lists.asked)-asked)
	}
	if as := s.lists.asked[0]; as.Tenant != contoso || as.ObjectID != objectVera || as.Connection.IsZero() {
		t.Errorf("asked as %+v", as)
	}
}

func TestWhatIsTickedWronglyIsSaidAndChangesNothing(t *testing.T) {
	s, b, apps := reading(t, "down:details")
	page := b.get(apps.href("Choose calendars"))
	b.tick(page, "AAMkTeam1=").is(200, "Connected apps")
	var many []string
	for i := range connection.MaxCalendars + 1 {
		many = append(many, fmt.Sprint("c", i))
	}
	for what, tt := range map[string]struct {
		values []string
		status int
		says   string
	}{
		"nothing":         {nil, 400, "Please tick at least one calendar."},
		"too many":        {many, 400, "Please tick at most 50 calendars."},
		"one that's gone": {[]string{"AAMkTeam1=", "AAMkGone="}, 409, "A calendar that you ticked is not there any more."},
		"another's":       {[]string{"AAMkBo="}, 409, "A calendar that you ticked is not there any more."},
	} {
		again := b.tick(page, tt.values...).is(tt.status, calendarsTitle).says(tt.says)
		if got := s.chosen(); !slices.Equal(got, []string{"AAMkTeam1="}) {
			t.Errorf("%s: stored %q", what, got)
		}
		if got := again.ticked(); what != "one that's gone" && len(got) != 0 {
			t.Errorf("%s: ticked %q", what, got)
		}
	}
	// A calendar that was deleted in Outlook since is named, and goes with the next choice.
	s.lists.all = slices.DeleteFunc(s.lists.all, func(f graph.Folder) bool { return f.ID == "AAMkTeam1=" })
	page = b.get(apps.href("Choose calendars")).says("not there any more: Team.")
	b.tick(page, "AAMkTeam2=").is(200, "Connected apps")
	if got := s.chosen(); !slices.Equal(got, []string{"AAMkTeam2="}) {
		t.Errorf("stored %q", got)
	}
}

func TestOthersCalendarsAreOfferedWhereTheScopeReachesThem(t *testing.T) {
	s, b, apps := reading(t, "down:shared")
	page := b.get(apps.href("Choose calendars")).says("Bo Berg shared by Bo Berg")
	b.tick(page, "AAMkBo=", "AAMkTeam1=").is(200, "Connected apps").says("Bo Berg, Team. Choose calendars")
	// With less the calendars of others go, and the page says what is read.
	b.press(b.get(apps.path), "Change", "choice", "down:details").is(200, "Connected apps")
	if got := s.chosen(); !slices.Equal(got, []string{"AAMkTeam1="}) {
		t.Errorf("stored %q", got)
	}
}

func TestWhereNothingCanBeListedThePageSaysWhyAndWhatToDo(t *testing.T) {
	for name, tt := range map[string]struct {
		choice string
		err    error
		status int
		says   string
		way    string
		to     string
	}{
		"throttled":       {"both:readwrite", graph.Classify(429, "ApplicationThrottled", nil), 503, "Microsoft 365 does not answer properly right now", "Try again", "calendars="},
		"outage":          {"both:readwrite", graph.Classify(503, "", nil), 503, "Microsoft 365 does not answer properly right now", "Try again", "calendars="},
		"nobody answers":  {"both:readwrite", errors.New("refused"), 503, "Microsoft 365 does not answer properly right now", "Try again", "calendars="},
		"busy times only": {"down:busy", graph.Classify(403, "ErrorAccessDenied", nil), 200, "Microsoft does not list the calendars", "Let it be read with titles", "choice=down%3Adetails"},
		"dead":            {"both:readwrite", graph.ClassifyToken("invalid_grant", []int{50173}, 400), 200, "Microsoft does not accept the connection any more.", "Connect again", "choice=both%3Areadwrite"},
		"mailbox":         {"both:readwrite", graph.Classify(404, "MailboxNotSupportedForRESTAPI", nil), 200, "The mailbox is on an Exchange server of your organisation", "Back to the connected apps", "/apps/"},
		"policy":          {"both:readwrite", graph.ClassifyToken("interaction_required", []int{53003}, 400), 200, "Nothing was changed.", "Back to the connected apps", "/apps/"},
	} {
		t.Run(name, func(t *testing.T) {
			s, b, apps := reading(t, tt.choice)
			open := apps.href("Choose calendars")
			page := b.get(open)
			s.now = s.now.Add(time.Minute)
			s.lists.err = tt.err
			explained := func(p shown) {
				p.is(tt.status, calendarsTitle).says(tt.says).saysNot("checkbox")
				if to := p.href(tt.way); !strings.Contains(to, tt.to) {
					t.Errorf("%q leads to %s", tt.way, to)
				}
			}
			explained(b.tick(page, "AAMkTeam1="))
			if again := b.get(open); s.connections("u-17")[0].State == connection.Connected {
				explained(again)
			} else { // the account's own page says how it stands
				again.is(200, "Connected apps")
			}
			if got := s.chosen(); len(got) != 0 {
				t.Errorf("stored %q", got)
			}
		})
	}
}

// Who may: the person, of an account of theirs that is read, with the page's own form.
func TestOnlyTheOwnersOfAnAccountThatIsReadChooseItsCalendars(t *testing.T) {
	s, b, apps := reading(t, "both:readwrite")
	page := b.get(apps.href("Choose calendars"))
	action, fields := page.form("Save")
	fields.Set("calendar", "AAMkTeam1=")
	forged := url.Values{"connection": fields["connection"], "calendar": {"AAMkTeam1="}, "form": {strings.Repeat("x", 43)}}
	if p := b.post(action, forged); p.Status != http.StatusForbidden {
		t.Errorf("a forged form: %d", p.Status)
	}
	mallory := s.browser()
	theirs := mallory.enter(s.link(state.LinkUser, linkOf("u-9", "mallory@acme.example")))
	mallory.get(theirs.path+"?calendars="+fields.Get("connection")).is(404, "There is nothing here")
	if p := mallory.post(action, fields); p.Status < 400 {
		t.Errorf("another's session: %d", p.Status)
	}
	b.press(b.get(apps.path), "Nothing is written or read while it is paused")
	b.get(apps.path).saysNot("Choose calendars")
	b.get(apps.path+"?calendars="+fields.Get("connection")).is(200, "Connected apps")
	if p := b.post(action, fields); p.Status != http.StatusForbidden {
		t.Errorf("paused: %d", p.Status)
	}
	if got := s.chosen(); len(got) != 0 {
		t.Errorf("stored %q", got)
	}
	asked := len(s.lists.asked)
	s, b, apps = reading(t, "up:readwrite")
	apps.saysNot("Choose calendars")
	b.get(apps.path+"?calendars="+s.connections("u-17")[0].ID.String()).is(200, "Connected apps")
	if asked == 0 || len(s.lists.asked) != 0 {
		t.Errorf("%d lists of an account that is only written to", len(s.lists.asked))
	}
}

// Two hundred calendars fit on a page of less than 60 kB, and into its form.
func TestTwoHundredCalendarsFitOnAPage(t *testing.T) {
	s, b, apps := reading(t, "both:readwrite")
	for i := range 200 {
		id := fmt.Sprintf("AAMkAGI2%0136d/AAA=", i)
		s.lists.all = append(s.lists.all, graph.Folder{ID: id, Name: fmt.Sprint("Team ", i), Owner: "vera@acme.example"})
	}
	page := b.get(apps.href("Choose calendars")).is(200, calendarsTitle)
	assets := 0
	for _, f := range s.portal.assets.files {
		assets += len(f.content)
	}
	if size := len(page.Body) + assets; size > 60_000 {
		t.Errorf("%d bytes", size)
	}
	var fifty []string
	for _, f := range s.lists.all[100 : 100+connection.MaxCalendars] {
		fifty = append(fifty, f.ID)
	}
	b.tick(page, fifty...).is(200, "Connected apps")
	if got := s.chosen(); !slices.Equal(got, fifty) {
		t.Errorf("stored %d", len(got))
	}
	var all []string
	for _, f := range s.lists.all {
		all = append(all, f.ID)
	}
	b.tick(page, all...).is(400, calendarsTitle)
}

// calendarPages are the pages of choosing calendars, by the name of their golden file.
func calendarPages(t testing.TB) map[string]func() shown {
	failing := func(choice string, err error) func() shown {
		return func() shown {
			s, b, apps := reading(t, choice)
			s.lists.err = err
			return b.get(apps.href("Choose calendars"))
		}
	}
	return map[string]func() shown{
		"calendars": func() shown {
			_, b, apps := reading(t, "down:shared")
			return b.get(apps.href("Choose calendars"))
		},
		"calendars-none": func() shown {
			_, b, apps := reading(t, "both:readwrite")
			return b.tick(b.get(apps.href("Choose calendars")))
		},
		"calendars-passing": failing("both:readwrite", graph.Classify(503, "", nil)),
		"calendars-details": failing("down:busy", graph.Classify(403, "ErrorAccessDenied", nil)),
		"calendars-reauth":  failing("both:readwrite", graph.ClassifyToken("invalid_grant", []int{50173}, 400)),
	}
}
