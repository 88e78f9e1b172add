package portal

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/identity"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/reason"
	"github.com/calbridge/calbridge/shared/state"
)

func TestWhatAPersonOfARoleSignsInFor(t *testing.T) {
	base := organization.Organization{Profile: organization.Travel, Permission: organization.Delegated, Accounts: "tenant", Module: true, Sync: true,
		State: organization.State{Tenant: contoso, Consent: organization.ConsentGranted}}
	with := func(change func(*organization.Organization)) organization.Organization {
		o := base
		change(&o)
		return o
	}
	unbound := with(func(o *organization.Organization) { o.State = organization.State{Consent: organization.ConsentNone} })
	for _, c := range []struct {
		name, role, user string
		org              organization.Organization
		tenant           string
		choices          int
		trouble          trouble
	}{
		{"traveller", state.LinkUser, "u", base, contoso, 1, ""},
		{"traveller, outdated consent works on", state.LinkUser, "u", with(func(o *organization.Organization) { o.State.Consent = organization.ConsentOutdated }), contoso, 1, ""},
		{"traveller, consent lost", state.LinkUser, "u", with(func(o *organization.Organization) { o.State.Consent = organization.ConsentMissing }), "", 0, consentMissing},
		{"traveller, never consented", state.LinkUser, "u", unbound, "", 0, consentMissing},
		{"traveller, offered only", state.LinkUser, "u", with(func(o *organization.Organization) {
			o.State = organization.State{Consent: organization.ConsentPending, Attempt: organization.Attempt{Tenant: contoso}}
		}), "", 0, consentMissing},
		{"traveller, sync off", state.LinkUser, "u", with(func(o *organization.Organization) { o.Sync = false }), "", 0, syncOff},
		{"traveller whom nobody names", state.LinkUser, "", base, "", 0, noPerson},
		{"learner", state.LinkUser, "u", with(func(o *organization.Organization) { o.Permission = organization.Application }), "", 0, noSignIn},
		{"planner", state.LinkUser, "u", with(func(o *organization.Organization) { o.Profile, o.Accounts = organization.Planning, "any" }), identity.Organizations, 5, ""},
		{"planner, nobody consented", state.LinkUser, "u", with(func(o *organization.Organization) {
			o.Profile, o.Accounts, o.State = organization.Planning, "any", organization.State{}
		}), identity.Organizations, 5, ""},
		{"admin", state.OrgAdmin, "u", base, contoso, 1, ""},
		{"admin, sync off", state.OrgAdmin, "u", with(func(o *organization.Organization) { o.Sync = false }), contoso, 1, ""},
		{"admin, offered", state.OrgAdmin, "u", with(func(o *organization.Organization) {
			o.State = organization.State{Consent: organization.ConsentPending, Attempt: organization.Attempt{Tenant: fabrikam}}
		}), fabrikam, 1, ""},
		{"admin, nothing yet", state.OrgAdmin, "u", unbound, identity.Organizations, 0, ""},
		{"admin, consent lost", state.OrgAdmin, "u", with(func(o *organization.Organization) { o.State.Consent = organization.ConsentMissing }), contoso, 0, ""},
		{"admin whom nobody names", state.OrgAdmin, "", base, contoso, 0, ""},
		{"admin of a school", state.OrgAdmin, "u", with(func(o *organization.Organization) { o.Permission = organization.Application }), contoso, 0, ""},
		{"room manager", state.RoomManager, "", base, contoso, 0, ""},
		{"room manager, no consent", state.RoomManager, "", unbound, "", 0, consentMissing},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, trouble := plan(c.org, c.role, c.user)
			if trouble != c.trouble || trouble == "" && (e.Tenant != c.tenant || len(e.Choices) != c.choices) {
				t.Errorf("got %+v, %q", e, trouble)
			}
		})
	}
}

func TestWhoseAccountItIs(t *testing.T) {
	a := journey{Account: connection.Account{Tenant: contoso, ObjectID: objectVera, Name: "Vera@Acme.example"}, Mailbox: "vera.virtanen@acme.example", Direction: connection.Up, Scope: connection.ReadWrite}
	for _, c := range []struct {
		name string
		who  person
		want bool
	}{
		{"user name", person{Email: "vera@acme.example"}, true},
		{"user name in other case", person{Email: " VERA@acme.EXAMPLE "}, true},
		{"address of the mailbox", person{Email: "vera.virtanen@acme.example"}, true},
		{"account that the app names", person{Email: "vera@home.example", Account: "vera@acme.example"}, true},
		{"object id that the app names", person{Email: "vera@home.example", Account: objectVera}, true},
		{"another", person{Email: "bob@acme.example"}, false},
		{"another, the app names another account", person{Email: "bob@acme.example", Account: objectBob}, false},
		{"nobody", person{}, false},
		{"display name", person{Email: "Name of Vera"}, false},
	} {
		if got := c.who.is(a); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
	if (person{}).is(journey{}) {
		t.Error("nothing is nobody's")
	}
}

// Whatever is signed in, an organisation that requires the address never lets another
// one through; and one that only warns never lets it through unwarned.
func TestAnotherAddressNeverPassesInSilence(t *testing.T) {
	addresses := rapid.SampledFrom([]string{"", "vera@acme.example", "bob@acme.example", "VERA@acme.example"})
	rapid.Check(t, func(t *rapid.T) {
		org := organization.Organization{Profile: rapid.SampledFrom([]string{organization.Travel, organization.Planning}).Draw(t, "profile"),
			AddressMatch: rapid.SampledFrom([]string{"require", "warn", ""}).Draw(t, "match")}
		who := person{Email: addresses.Draw(t, "email"), Account: addresses.Draw(t, "account")}
		j := journey{Account: connection.Account{Tenant: contoso, ObjectID: objectVera, Name: addresses.Draw(t, "name")}, Mailbox: addresses.Draw(t, "mailbox"),
			Direction: connection.Up, Cause: rapid.SampledFrom([]string{"", reason.MailboxOnPremises}).Draw(t, "cause")}
		e, doubts := judge(org, who, j, nil)
		if !who.is(j) && org.AddressMatch != "warn" && e != endAddress {
			t.Fatalf("let through: %v %v", e, doubts)
		}
		if !who.is(j) && e == "" && !slices.Contains(doubts, doubtAddress) && !slices.Contains(doubts, doubtNoAddress) {
			t.Fatalf("unwarned: %v", doubts)
		}
		if who.is(j) && e != "" {
			t.Fatalf("refused: %v", e)
		}
		if (j.Cause != "") != slices.Contains(doubts, doubtMailbox) && e == "" {
			t.Fatalf("mailbox: %v", doubts)
		}
	})
}

func TestWhenAnotherAccountIsDoubted(t *testing.T) {
	id := key.Of("test", "1")
	mine := connection.Connection{ID: id, Account: connection.Account{Tenant: contoso, ObjectID: objectVera}, Primary: true, State: connection.NeedsReauth}
	vera := journey{Account: connection.Account{Tenant: contoso, ObjectID: objectVera, Name: "v@x"}, Direction: connection.Up}
	bob := journey{Account: connection.Account{Tenant: contoso, ObjectID: objectBob, Name: "v@x"}, Direction: connection.Up, Connection: id.String()}
	guest := journey{Account: connection.Account{Tenant: fabrikam, ObjectID: objectVera, Name: "v@x"}, Direction: connection.Down, Connection: id.String()}
	for _, c := range []struct {
		name    string
		profile string
		j       journey
		want    []doubt
	}{
		{"the same again", organization.Travel, vera, nil},
		{"another instead", organization.Travel, bob, []doubt{doubtAccount, doubtReplaces}},
		{"another beside it", organization.Planning, bob, []doubt{doubtAccount}},
		{"the same object id of another tenant", organization.Travel, guest, []doubt{doubtAccount}},
	} {
		_, doubts := judge(organization.Organization{Profile: c.profile, AddressMatch: "require"}, person{Email: "v@x"}, c.j, []connection.Connection{mine})
		if !slices.Equal(doubts, c.want) {
			t.Errorf("%s: %v", c.name, doubts)
		}
	}
}

// The calendar that a person connects for their bookings gets them, also where the one
// connected first is only read and therefore could not.
func TestWhichAccountBookingsGoTo(t *testing.T) {
	own := func(d connection.Direction) connection.Connection {
		return connection.Connection{Account: connection.Account{Tenant: contoso, ObjectID: objectVera}, Primary: true, Direction: d}
	}
	second := func(d connection.Direction) journey {
		return journey{Account: connection.Account{Tenant: fabrikam, ObjectID: objectBob}, Direction: d}
	}
	for _, c := range []struct {
		profile       string
		first, second connection.Direction
		want          bool
	}{
		{organization.Planning, connection.Down, connection.Up, true},
		{organization.Planning, connection.Down, connection.Both, true},
		{organization.Planning, connection.Down, connection.Down, false},
		{organization.Planning, connection.Up, connection.Up, false},
		{organization.Planning, connection.None, connection.Up, false}, // paused, which the person chose
		{organization.Travel, connection.Up, connection.Up, true},
	} {
		if got := second(c.second).leads(organization.Organization{Profile: c.profile}, []connection.Connection{own(c.first)}); got != c.want {
			t.Errorf("%s, %s after %s: %v", c.profile, c.second, c.first, got)
		}
	}
	if second(connection.Up).leads(organization.Organization{Profile: organization.Planning}, nil) {
		t.Error("the first account takes nothing over: it is primary anyway")
	}
}

func TestHowASignInEnded(t *testing.T) {
	for _, c := range []struct {
		err  *identity.TokenError
		want ending
	}{
		{&identity.TokenError{Code: "access_denied", Suberror: "cancel"}, endCancelled},
		{&identity.TokenError{Code: "access_denied", Suberror: "cancel", AADSTS: []int{65004}}, endCancelled},
		{&identity.TokenError{Code: "access_denied", AADSTS: []int{90094}}, endApproval},
		{&identity.TokenError{Code: "access_denied", Suberror: "cancel", AADSTS: []int{90094}}, endApproval}, // cancelled because nobody else could go on
		{&identity.TokenError{Code: "access_denied", AADSTS: []int{90095}}, endRequested},
		{&identity.TokenError{Code: "consent_required", AADSTS: []int{65001}}, endApproval},
		{&identity.TokenError{Code: "interaction_required", AADSTS: []int{530032}}, endPolicy},
		{&identity.TokenError{Code: "invalid_grant", AADSTS: []int{54005}}, endUnverified},
		{&identity.TokenError{Code: "invalid_grant", AADSTS: []int{501481}}, endUnverified},
		{&identity.TokenError{Code: "unauthorized_client", AADSTS: []int{700016}, Status: 400}, endFault},
		{&identity.TokenError{Code: "unknown_error"}, endFault},
		{&identity.TokenError{Status: 503}, endPassing},
		{&identity.TokenError{Code: "x", Status: 429}, endPassing},
		{&identity.TokenError{Cause: errors.New("time")}, endPassing},
	} {
		if got := endOf(c.err); got != c.want {
			t.Errorf("%v: %s, want %s", c.err, got, c.want)
		}
	}
	if got := endOfRedeem(errors.New("anything")); got != endPassing {
		t.Errorf("got %s", got)
	}
}

// A probe names a cause only where Graph does; else nobody knows.
func TestWhatAProbeSays(t *testing.T) {
	if address, cause, known := found(graph.Mailbox{Address: "Vera@Acme.example"}, nil); address != "vera@acme.example" || cause != "" || !known {
		t.Error(address, cause, known)
	}
	for _, err := range []error{&graph.Error{Kind: graph.Transient}, &graph.Error{Kind: graph.Unreachable}, &graph.Error{Kind: graph.Unauthorised, Reason: reason.NeedsReauth}, errors.New("x")} {
		if _, _, known := found(graph.Mailbox{}, err); known {
			t.Errorf("%v is known", err)
		}
	}
	if _, cause, known := found(graph.Mailbox{}, fmt.Errorf("probe: %w", &graph.Error{Kind: graph.Unreachable, Reason: reason.OutsideScope})); !known || cause != reason.OutsideScope {
		t.Error(cause, known)
	}
}

// Who sees what is the narrower of the scope and the organisation's privacy.
func TestWhoSeesWhat(t *testing.T) {
	for _, c := range []struct {
		c             choice
		privacy, want string
	}{
		{writing, "all", "none"},
		{choice{connection.None, connection.Busy}, "all", "none"},
		{choice{connection.Both, connection.ReadWrite}, "nothing", "ours"},
		{choice{connection.Down, connection.Busy}, "all", "busy"},
		{choice{connection.Down, connection.Details}, "nothing", "nothing"},
		{choice{connection.Down, connection.Details}, "busy", "busy"},
		{choice{connection.Down, connection.Shared}, "title", "title"},
		{choice{connection.Both, connection.ReadWrite}, "all", "all"},
	} {
		if got := seen(organization.Organization{DownSync: organization.DownSync{Privacy: c.privacy}}, c.c); got != c.want {
			t.Errorf("%s, %s: %s", c.c, c.privacy, got)
		}
	}
}

// Every ending, doubt, death and the like that the source names has its texts, in English.
func TestEveryEndingDoubtAndCauseHasItsTexts(t *testing.T) {
	texts, err := readTexts()
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("connect_decide.go")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"why.unknown.what", "why.unknown.next"}
	count := func(pattern string, keys ...string) {
		found := regexp.MustCompile(pattern).FindAllStringSubmatch(string(source), -1)
		if len(found) < 4 {
			t.Fatalf("%s: %d", pattern, len(found))
		}
		for _, m := range found {
			for _, k := range keys {
				want = append(want, strings.ReplaceAll(k, "*", m[1]))
			}
		}
	}
	count(`ending += "([a-z-]+)"`, "end.*.title", "end.*.what", "end.*.next")
	count(`doubt += "([a-z-]+)"`, "doubt.*")
	count(`return "([a-z]+)"\n`, "seen.*")
	for _, word := range deaths {
		want = append(want, "why."+word+".what", "why."+word+".next")
		if ownersOfCauses[word] == "" {
			t.Errorf("nobody owns %s", word)
		}
	}
	for _, word := range dones {
		want = append(want, "done."+word)
	}
	for _, s := range []connection.State{connection.Connected, connection.Paused, connection.NeedsReauth, connection.BlockedByPolicy, connection.Unreachable, connection.Disconnected} {
		want = append(want, "state."+string(s))
	}
	for _, o := range []reason.Owner{reason.User, reason.EntraAdmin, reason.OrganisationAdmin, reason.Operator, reason.BookingApp} {
		want = append(want, "owner."+string(o))
	}
	for _, c := range choices(organization.Organization{Profile: organization.Planning}) {
		for _, p := range c.Permissions() {
			want = append(want, "ask."+strings.ToLower(p))
		}
		if c.Direction == connection.Down {
			want = append(want, "scope."+string(c.Scope))
		}
	}
	want = append(want, "ask."+strings.ToLower(placeRead))
	for _, m := range regexp.MustCompile(`trouble = "([a-z-]+)"`).FindAllStringSubmatch(read(t, "connect_trouble.go"), -1) {
		want = append(want, "trouble."+m[1]+".title", "trouble."+m[1]+".what", "trouble."+m[1]+".next")
	}
	for _, k := range want {
		if !texts.languages[english].has(k) {
			t.Errorf("%s is missing", k)
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A10: every state and code that a connection can have is explained: a sentence, an
// owner and a next step; and nobody is told to sign in where that would not help.
func TestEveryCauseOfAConnectionIsExplained(t *testing.T) {
	s := newSite(t)
	v := s.portal.visit(httptest.NewRequest(http.MethodGet, publicURL, nil))
	causes := []string{"", "nonsense", "999999999", reason.MailboxNotFound, reason.MailboxOnPremises, reason.MailboxUnavailable, reason.OutsideScope, reason.ConsentMissing, reason.PersonalMailbox}
	for _, row := range graph.Codes() {
		if row.AADSTS != 0 {
			causes = append(causes, fmt.Sprint(row.AADSTS))
		}
	}
	for _, st := range []connection.State{connection.NeedsReauth, connection.BlockedByPolicy, connection.Unreachable, connection.Disconnected} {
		for _, cause := range causes {
			e := v.explain(connection.Connection{State: st, Cause: cause, Correlation: "c"})
			if e.What == "" || e.Next == "" || e.Owner == "" || strings.Contains(e.What+e.Next, "why.") {
				t.Errorf("%s, %s: %+v", st, cause, e)
			}
			if n := len(cause); n > 3 && cause[0] >= '0' && cause[0] <= '9' && e.Code != "AADSTS"+cause {
				t.Errorf("%s: code %q", cause, e.Code)
			}
		}
	}
	if e := v.explain(connection.Connection{State: connection.Connected}); e != (explanation{}) {
		t.Errorf("connected: %+v", e)
	}
}
