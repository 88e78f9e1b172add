package identity_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/identity"
)

// identity.md section 4: an ETag conflict reloads and uses the winner's token.
func TestAfterAConflictTheWinnersTokenIsUsed(t *testing.T) {
	d := deploy(t)
	u, winner := d.instance(t, oldKeyset), d.instance(t, oldKeyset)
	ref := d.connect(t, u, 1)
	// What the login gives the winner must outlive what it gave the loser.
	var won string
	var once sync.Once
	d.rows.beforeSave = func(identity.Ref) {
		once.Do(func() {
			d.mu.Lock()
			for spent := range d.live { // the loser's new refresh token is of no use
				delete(d.live, spent)
			}
			d.live[mark+"winner"] = vera
			d.mu.Unlock()
			row := d.rows.all[ref.Connection]
			s := d.reconnect(t, winner)
			won = s.AccessToken
			d.rows.edit(ref.Connection, func(r *identity.StoredTokens) {
				r.Sealed = winner.SealTokens("acme", ref.Connection, row.Tenant, row.ObjectID, s.Cache)
			})
		})
	}
	if got := token(t, u, ref, true); got != won {
		t.Errorf("not the winner's token")
	}
	if d.refreshes() != 1 {
		t.Errorf("%d refreshes", d.refreshes())
	}
	token(t, u, ref, true) // and the winner's refresh token still works
}

// reconnect signs Vera in again.
func (d *deployment) reconnect(t testing.TB, u *identity.Users) identity.SignedIn {
	t.Helper()
	s, err := d.signIn(t, u, acme, "Calendars.ReadWrite")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestARowThatChangedOtherwiseIsWrittenAgain(t *testing.T) {
	d := deploy(t)
	u := d.instance(t, oldKeyset)
	ref := d.connect(t, u, 1)
	var times int
	d.rows.beforeSave = func(identity.Ref) {
		if times++; times < 3 { // somebody changes the direction
			d.rows.edit(ref.Connection, func(*identity.StoredTokens) {})
		}
	}
	got := token(t, u, ref, true)
	if d.refreshes() != 1 || times != 3 {
		t.Errorf("%d refreshes, %d saves", d.refreshes(), times)
	}
	if token(t, d.instance(t, oldKeyset), ref, false) != got {
		t.Error("the refresh was not saved")
	}
}

func TestAConnectionThatHasGoneGivesNothing(t *testing.T) {
	d := deploy(t)
	u := d.instance(t, oldKeyset)
	ref := d.connect(t, u, 1)
	gone := func() { d.rows.mu.Lock(); delete(d.rows.all, ref.Connection); d.rows.mu.Unlock() }
	d.rows.beforeSave = func(identity.Ref) { gone() } // while it is refreshed
	if _, err := u.Token(t.Context(), ref, true); !errors.Is(err, identity.ErrNoConnection) {
		t.Errorf("gone meanwhile: %v", err)
	}
	if _, err := u.Token(t.Context(), ref, false); !errors.Is(err, identity.ErrNoConnection) {
		t.Errorf("gone: %v", err)
	}
	if graph.FateOf(tokenFailure(t, fmt.Errorf("%w", &identity.TokenError{Cause: identity.ErrNoConnection}))) != graph.FatePassing {
		t.Error("a connection that has gone is dead")
	}
}

func TestATokenThatCannotBeSavedStillServes(t *testing.T) {
	d := deploy(t)
	u := d.instance(t, oldKeyset)
	ref := d.connect(t, u, 1)
	d.rows.fail = errors.New("the table is down")
	if got, err := u.Token(t.Context(), ref, true); err != nil || got == "" {
		t.Errorf("%v", err)
	}
	if _, puts := d.rows.counts(); puts != 0 {
		t.Error("it was saved")
	}
}

func TestWhatCouldNotBeSavedIsSavedByTheNextRefresh(t *testing.T) {
	d := deploy(t)
	d.keepSpent = true // contract 13.2: a crash between answer and row is survivable
	u := d.instance(t, oldKeyset)
	ref := d.connect(t, u, 1)
	d.advance(time.Hour)
	d.rows.fail = errors.New("the table is down")
	token(t, u, ref, false)
	d.rows.fail = nil
	got := token(t, u, ref, false)
	if _, puts := d.rows.counts(); puts != 1 || d.refreshes() != 2 {
		t.Errorf("%d writes, %d refreshes", puts, d.refreshes())
	}
	if token(t, d.instance(t, oldKeyset), ref, false) != got {
		t.Error("the row has another token")
	}
}

func TestTheKeepAliveSaysWhenItCouldNotSave(t *testing.T) {
	d := deploy(t)
	u := d.instance(t, oldKeyset)
	ref := d.connect(t, u, 1)
	down := errors.New("the table is down")
	d.rows.fail = down
	if _, err := u.Refresh(t.Context(), ref); !errors.Is(err, down) {
		t.Errorf("%v", err)
	}
}

// identity.md section 4: "no token found" is our fault, never needs-reauth.
func TestARowWithoutARefreshTokenIsOurFault(t *testing.T) {
	d := deploy(t)
	u := d.instance(t, oldKeyset)
	ref := d.connect(t, u, 1)
	for _, cache := range []string{`{}`, `null`, `{"RefreshToken":{}}`, `[]`} {
		d.rows.edit(ref.Connection, func(row *identity.StoredTokens) {
			row.Sealed = u.SealTokens("acme", ref.Connection, row.Tenant, row.ObjectID,
				[]byte(`{"tenant":"`+row.Tenant+`","objectId":"`+row.ObjectID+`","home":"x.y","cache":`+cache+`}`))
		})
		_, err := u.Token(t.Context(), ref, false)
		if e := tokenFailure(t, err); e.Code != "" || graph.FateOf(err) != graph.FatePassing {
			t.Errorf("%s: %v", cache, err)
		}
	}
	if d.refreshes() != 0 {
		t.Error("Entra was asked")
	}
}

func TestTheOldTokenServesUsersWhileEntraIsDown(t *testing.T) {
	d := deploy(t)
	u := d.instance(t, oldKeyset)
	ref := d.connect(t, u, 1)
	first := token(t, u, ref, false)
	d.refuse = func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Retry-After", "7")
		refusal(w, 503, "temporarily_unavailable", 90033)
		return true
	}
	d.advance(57 * time.Minute)
	if token(t, u, ref, false) != first {
		t.Error("another token")
	}
	_, err := u.Token(t.Context(), ref, true)
	if e := tokenFailure(t, err); e.Status != 503 || e.RetryAfter != 7*time.Second {
		t.Errorf("%+v", e)
	}
	d.advance(3 * time.Minute)
	if _, err := u.Token(t.Context(), ref, false); graph.FateOf(err) != graph.FatePassing {
		t.Errorf("%v", err)
	}
}

func TestManyCallersShareOneRefresh(t *testing.T) {
	d := deploy(t)
	u := d.instance(t, oldKeyset)
	ref := d.connect(t, u, 1)
	d.advance(time.Hour)
	var group sync.WaitGroup
	var seen sync.Map
	for range 100 {
		group.Go(func() { seen.Store(token(t, u, ref, false), true) })
	}
	group.Wait()
	n := 0
	seen.Range(func(any, any) bool { n++; return true })
	if n != 1 || d.refreshes() != 1 {
		t.Errorf("%d tokens, %d refreshes for 100 callers", n, d.refreshes())
	}
}

// identity.md section 4: 200 users' refreshes in parallel are a race test. Two
// instances refresh everybody at once, several times, at a login that revokes every
// refresh token when it is spent: who loses or swaps one is locked out.
func TestTwoHundredRefreshesInParallelLoseAndSwapNobodysToken(t *testing.T) {
	const people = 200
	d := deploy(t)
	instances := []*identity.Users{d.instance(t, midKeyset), d.instance(t, newKeyset)}
	refs := make([]identity.Ref, people)
	for n := range refs {
		refs[n] = d.connect(t, instances[0], n+1)
	}
	for round := range 3 {
		var group sync.WaitGroup
		for n, ref := range refs {
			u := instances[(n+round)%2]
			group.Go(func() {
				got, err := u.Token(t.Context(), ref, true)
				if err != nil || !strings.HasPrefix(got, fmt.Sprintf("%saccess-aaaaaaaa-aaaa-4aaa-8aaa-%012d-", mark, n+1)) {
					t.Errorf("person %d got another's token or none: %v", n+1, err)
				}
			})
		}
		group.Wait()
	}
	if got := d.refreshes(); got != 3*people {
		t.Errorf("%d refreshes, want %d", got, 3*people)
	}
	if n := d.got("/openid-configuration"); n != 2 {
		t.Errorf("%d discoveries by two instances, want 2", n)
	}
	if len(d.live) != people {
		t.Errorf("%d refresh tokens live, want %d", len(d.live), people)
	}
}

// Both instances refresh the same connections at once. Entra does not revoke what was
// spent (contract 13.2), and neither does the login here.
func TestInstancesThatRefreshTheSameConnectionAgree(t *testing.T) {
	const people = 50
	d := deploy(t)
	instances := []*identity.Users{d.instance(t, oldKeyset), d.instance(t, oldKeyset), d.instance(t, oldKeyset)}
	refs := make([]identity.Ref, people)
	for n := range refs {
		refs[n] = d.connect(t, instances[0], n+1)
	}
	d.keepSpent = true
	var group sync.WaitGroup
	for n, ref := range refs {
		for _, u := range instances {
			group.Go(func() {
				got, err := u.Token(t.Context(), ref, true)
				if err != nil || !strings.HasPrefix(got, fmt.Sprintf("%saccess-aaaaaaaa-aaaa-4aaa-8aaa-%012d-", mark, n+1)) {
					t.Errorf("person %d: %v", n+1, err)
				}
			})
		}
	}
	group.Wait()
	for _, ref := range refs {
		if _, err := instances[1].Refresh(t.Context(), ref); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	}
}
