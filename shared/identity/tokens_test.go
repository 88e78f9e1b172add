package identity_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/identity"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/seal"
)

// Keysets of two ages: in the second the first key is not the primary one any more.
const (
	firstKey  = `{"keyData":{"typeUrl":"type.googleapis.com/google.crypto.tink.AesGcmKey","value":"GhAAAQIDBAUGBwgJCgsMDQ4P","keyMaterialType":"SYMMETRIC"},"status":"ENABLED","keyId":1,"outputPrefixType":"TINK"}`
	secondKey = `{"keyData":{"typeUrl":"type.googleapis.com/google.crypto.tink.AesGcmKey","value":"GhAPDg0MCwoJCAcGBQQDAgEA","keyMaterialType":"SYMMETRIC"},"status":"ENABLED","keyId":2,"outputPrefixType":"TINK"}`
	oldKeyset = `{"primaryKeyId":1,"key":[` + firstKey + `]}`
	midKeyset = `{"primaryKeyId":1,"key":[` + firstKey + `,` + secondKey + `]}` // the first step of a rotation
	newKeyset = `{"primaryKeyId":2,"key":[` + firstKey + `,` + secondKey + `]}`
)

func sealer(t testing.TB, keyset string) *seal.Sealer {
	t.Helper()
	s, err := seal.New(keyset)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// rows is a TokenStore in memory, with ETags.
type rows struct {
	mu          sync.Mutex
	all         map[key.Key]identity.StoredTokens
	saved       map[key.Key]identity.TokenSave
	reads, puts int
	beforeSave  func(identity.Ref) // without the lock
	fail        error
}

func newRows() *rows {
	return &rows{all: map[key.Key]identity.StoredTokens{}, saved: map[key.Key]identity.TokenSave{}}
}

func (r *rows) Tokens(_ context.Context, ref identity.Ref) (identity.StoredTokens, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reads++
	row, ok := r.all[ref.Connection]
	if !ok {
		return row, fmt.Errorf("rows: %w", identity.ErrNoConnection)
	}
	return row, nil
}

func (r *rows) SaveTokens(_ context.Context, ref identity.Ref, save identity.TokenSave, etag string) error {
	if r.beforeSave != nil {
		r.beforeSave(ref)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	row, ok := r.all[ref.Connection]
	switch {
	case !ok:
		return fmt.Errorf("rows: %w", identity.ErrNoConnection)
	case r.fail != nil:
		return r.fail
	case row.ETag != etag:
		return fmt.Errorf("rows: %w", identity.ErrConnectionChanged)
	}
	row.Sealed = save.Sealed
	r.all[ref.Connection], r.saved[ref.Connection] = touched(row), save
	r.puts++
	return nil
}

func touched(row identity.StoredTokens) identity.StoredTokens {
	n, _ := strconv.Atoi(row.ETag)
	row.ETag = strconv.Itoa(n + 1)
	return row
}

// edit changes a row as another writer would.
func (r *rows) edit(id key.Key, change func(*identity.StoredTokens)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	row := r.all[id]
	change(&row)
	r.all[id] = touched(row)
}

func (r *rows) counts() (reads, puts int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reads, r.puts
}

// deployment is a login, rows, and instances of our app.
type deployment struct {
	*login
	rows *rows
}

func deploy(t testing.TB) *deployment { return &deployment{newLogin(t), newRows()} }

func (d *deployment) instance(t testing.TB, keyset string) *identity.Users {
	return d.users(t, func(o *identity.UserOptions) { o.Store, o.Sealer = d.rows, sealer(t, keyset) })
}

// connect signs somebody in and stores the connection.
func (d *deployment) connect(t testing.TB, u *identity.Users, n int) identity.Ref {
	t.Helper()
	oid := fmt.Sprintf("aaaaaaaa-aaaa-4aaa-8aaa-%012d", n)
	verifier := identity.NewVerifier()
	s, err := u.Redeem(t.Context(), identity.Redemption{
		Tenant: acme, RedirectURI: redirect, Verifier: verifier, Nonce: nonce, Scopes: []string{"Calendars.ReadWrite"},
		Code: d.code(acme, oid, verifier, nonce),
	})
	if err != nil {
		t.Fatal(err)
	}
	ref := identity.Ref{Organization: "acme", Lane: key.Lane("acme", key.User, oid), Connection: key.Of("connection", oid)}
	d.rows.edit(ref.Connection, func(row *identity.StoredTokens) {
		*row = identity.StoredTokens{Tenant: s.Tenant, ObjectID: s.ObjectID, Scopes: s.Granted, ETag: row.ETag,
			Sealed: u.SealTokens("acme", ref.Connection, s.Tenant, s.ObjectID, s.Cache)}
	})
	return ref
}

func token(t testing.TB, u *identity.Users, ref identity.Ref, fresh bool) string {
	t.Helper()
	got, err := u.Token(t.Context(), ref, fresh)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func (d *deployment) refreshes() int {
	n := 0
	for _, f := range d.tokenRequests() {
		if f.Get("grant_type") == "refresh_token" {
			n++
		}
	}
	return n
}

func tokenFailure(t testing.TB, err error) *identity.TokenError {
	t.Helper()
	unmarked(t, err)
	var e *identity.TokenError
	if !errors.As(err, &e) {
		t.Fatalf("%v is no *TokenError", err)
	}
	return e
}

// Issue 5, Speed: a write with a user's token costs no more requests, save the refresh.
func TestATokenCostsARefreshOnlyWhenItEnds(t *testing.T) {
	d := deploy(t)
	u := d.instance(t, oldKeyset)
	ref := d.connect(t, u, 1)
	first := token(t, u, ref, false) // the sign-in's own, from the row
	for range 5 {
		if token(t, u, ref, false) != first {
			t.Error("another token")
		}
	}
	if reads, puts := d.rows.counts(); reads != 1 || puts != 0 || d.refreshes() != 0 {
		t.Errorf("%d reads, %d writes, %d refreshes for the sign-in's token", reads, puts, d.refreshes())
	}
	d.advance(54 * time.Minute)
	if token(t, u, ref, false) != first {
		t.Error("renewed too early")
	}
	d.advance(2 * time.Minute)
	second := token(t, u, ref, false)
	if reads, puts := d.rows.counts(); second == first || reads != 2 || puts != 1 || d.refreshes() != 1 {
		t.Errorf("%d reads, %d writes, %d refreshes for a renewal", reads, puts, d.refreshes())
	}
	other := d.instance(t, oldKeyset)
	if token(t, other, ref, false) != second {
		t.Error("another instance does not use what the row has")
	}
	if d.refreshes() != 1 {
		t.Error("another instance refreshed")
	}
	if scope := d.tokenRequests()[1].Get("scope"); scope != "openid profile offline_access https://graph.microsoft.com/Calendars.ReadWrite" {
		t.Errorf("the refresh asks for %q", scope)
	}
	if claims := d.tokenRequests()[1].Get("claims"); claims != "" {
		t.Errorf("a client capability is declared: %s", claims)
	}
}

func TestATokenInMemoryCostsNoAllocation(t *testing.T) {
	d := deploy(t)
	u := d.instance(t, oldKeyset)
	ref := d.connect(t, u, 1)
	token(t, u, ref, false)
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() {
		if _, err := u.Token(ctx, ref, false); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// identity.md section 4: after a Graph 401 the access tokens are dropped and one
// refresh is made.
func TestAFreshTokenIsOneRefresh(t *testing.T) {
	d := deploy(t)
	u := d.instance(t, oldKeyset)
	ref := d.connect(t, u, 1)
	first := token(t, u, ref, false)
	second := token(t, u, ref, true)
	if second == first || d.refreshes() != 1 {
		t.Errorf("%d refreshes", d.refreshes())
	}
	if token(t, u, ref, false) != second || d.refreshes() != 1 {
		t.Error("the fresh token was not kept")
	}
}

func TestTheRotatedRefreshTokenIsSaved(t *testing.T) {
	d := deploy(t)
	u := d.instance(t, oldKeyset)
	ref := d.connect(t, u, 1)
	for range 5 { // the login revokes what was spent
		token(t, d.instance(t, oldKeyset), ref, true)
	}
	if save := d.rows.saved[ref.Connection]; !save.Refreshed.Equal(d.now()) || !slices.Equal(save.Granted, []string{"Calendars.ReadWrite"}) {
		t.Errorf("saved %v, %v", save.Refreshed, save.Granted)
	}
}

// MSAL on its own drops answer and refresh token where scope is not letter by letter
// what was asked.
func TestARefreshThatGrantsLessOrMoreIsNotLost(t *testing.T) {
	d := deploy(t)
	u := d.instance(t, oldKeyset)
	ref := d.connect(t, u, 1)
	d.answer = func(a map[string]any) { a["scope"] = "Calendars.Read User.Read" }
	r, err := u.Refresh(t.Context(), ref)
	if err != nil || !slices.Equal(r.Granted, []string{"Calendars.Read", "User.Read"}) || !r.At.Equal(d.now()) {
		t.Errorf("%+v, %v", r, err)
	}
	d.answer = func(a map[string]any) { delete(a, "refresh_token") } // the old one stays, where Entra gives none
	if _, err := u.Refresh(t.Context(), ref); err != nil {
		t.Error(err)
	}
}

// identity.md section 4: a changed TOKEN_KEYSET re-seals as rows are used.
func TestAChangedKeysetSealsAnewOnUse(t *testing.T) {
	d := deploy(t)
	ref := d.connect(t, d.instance(t, oldKeyset), 1)
	token(t, d.instance(t, newKeyset), ref, false)
	row := d.rows.all[ref.Connection]
	if _, err := d.instance(t, `{"primaryKeyId":2,"key":[`+secondKey+`]}`).Token(t.Context(), ref, false); err != nil {
		t.Errorf("the old key is still needed: %v", err)
	}
	if _, puts := d.rows.counts(); puts != 1 || d.refreshes() != 0 {
		t.Errorf("%d writes, %d refreshes", puts, d.refreshes())
	}
	if save := d.rows.saved[ref.Connection]; save.Granted != nil || !save.Refreshed.Equal(d.now()) || row.ETag != "2" {
		t.Errorf("sealed anew with %v, %v", save.Granted, save.Refreshed)
	}
}

// identity.md section 4: associated data; the accessor refuses any other account.
func TestTokensOpenForTheirConnectionOnly(t *testing.T) {
	d := deploy(t)
	u := d.instance(t, oldKeyset)
	a, b := d.connect(t, u, 1), d.connect(t, u, 2)
	stolen := d.rows.all[a.Connection].Sealed
	for name, spoil := range map[string]func(*identity.StoredTokens){
		"another connection's": func(row *identity.StoredTokens) { row.Sealed = stolen },
		"another tenant":       func(row *identity.StoredTokens) { row.Tenant = globex },
		"another person":       func(row *identity.StoredTokens) { row.ObjectID = globex },
		"changed":              func(row *identity.StoredTokens) { row.Sealed = append([]byte{}, row.Sealed[1:]...) },
		"nothing":              func(row *identity.StoredTokens) { row.Sealed = nil },
	} {
		good := d.rows.all[b.Connection]
		d.rows.edit(b.Connection, spoil)
		_, err := d.instance(t, oldKeyset).Token(t.Context(), b, false)
		if e := tokenFailure(t, err); e.Code != "" || graph.FateOf(err) != graph.FatePassing {
			t.Errorf("%s: %v is %s", name, err, graph.FateOf(err))
		}
		d.rows.edit(b.Connection, func(row *identity.StoredTokens) {
			row.Sealed, row.Tenant, row.ObjectID = good.Sealed, good.Tenant, good.ObjectID
		})
	}
	elsewhere := b
	elsewhere.Organization = "globex"
	if _, err := d.instance(t, oldKeyset).Token(t.Context(), elsewhere, false); err == nil {
		t.Error("opened in another organisation")
	}
	if d.refreshes() != 0 {
		t.Error("Entra was asked")
	}
}

func TestAnAnswerForAnotherAccountIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(d *deployment){
		"client_info": func(d *deployment) {
			d.answer = func(a map[string]any) { a["client_info"] = "eyJ1aWQiOiJ4IiwidXRpZCI6InkifQ" } // uid x, utid y
		},
		"no client_info": func(d *deployment) { d.answer = func(a map[string]any) { delete(a, "client_info") } },
		"id token": func(d *deployment) {
			d.answer = func(a map[string]any) { a["id_token"] = d.idToken(&pendingCode{tenant: acme, oid: globex}) }
		},
		"id token of another tenant": func(d *deployment) {
			d.answer = func(a map[string]any) {
				a["id_token"] = d.idToken(&pendingCode{tenant: globex, oid: "aaaaaaaa-aaaa-4aaa-8aaa-000000000001"})
			}
		},
	} {
		d := deploy(t)
		u := d.instance(t, oldKeyset)
		ref := d.connect(t, u, 1)
		spoil(d)
		got, err := u.Token(t.Context(), ref, true)
		if err == nil || got != "" {
			t.Errorf("%s: accepted", name)
			continue
		}
		if tokenFailure(t, err); graph.FateOf(err) != graph.FatePassing {
			t.Errorf("%s: %s", name, graph.FateOf(err))
		}
		if _, puts := d.rows.counts(); puts != 0 {
			t.Errorf("%s: saved", name)
		}
	}
}

// Contract 13.5; identity.md section 4.
func TestWhatEndsAConnectionIsToldApart(t *testing.T) {
	for _, tt := range []struct {
		status   int
		code     string
		number   int
		suberror string
		want     graph.Fate
	}{
		{400, "invalid_grant", 700082, "", graph.FateDead},
		{400, "invalid_grant", 50173, "bad_token", graph.FateDead},
		{400, "interaction_required", 50076, "basic_action", graph.FateDead},
		{400, "interaction_required", 53003, "message_only", graph.FatePolicy},
		{400, "invalid_grant", 53000, "", graph.FatePolicy},
		{400, "invalid_grant", 65001, "consent_required", graph.FateConsent},
		{400, "unauthorized_client", 700016, "", graph.FateApp},
		{400, "unauthorized_client", 7000112, "", graph.FateApp},
		{401, "invalid_client", 7000215, "", graph.FateCredential},
		{401, "invalid_client", 7000222, "", graph.FateCredential},
		{401, "invalid_client", 700027, "", graph.FateCredential},
		{429, "invalid_grant", 70000, "", graph.FatePassing},
		{503, "temporarily_unavailable", 90033, "", graph.FatePassing},
		{400, "invalid_scope", 70011, "", graph.FatePassing},
	} {
		d := deploy(t)
		u := d.instance(t, oldKeyset)
		ref := d.connect(t, u, 1)
		const challenge = `{"access_token":{"capolids":{"essential":true,"values":["x"]}}}`
		d.refuse = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPost {
				return false
			}
			reply(w, tt.status, map[string]any{"error": tt.code, "suberror": tt.suberror, "error_codes": []int{tt.number},
				"correlation_id": "cccccccc-cccc-4ccc-8ccc-cccccccccccc", "error_description": mark, "claims": challenge})
			return true
		}
		_, err := u.Refresh(t.Context(), ref)
		e := tokenFailure(t, err)
		if got := graph.FateOf(err); got != tt.want {
			t.Errorf("%s %d: %s, want %s", tt.code, tt.number, got, tt.want)
		}
		if e.Claims != challenge || e.CorrelationID == "" || !slices.Equal(e.AADSTS, []int{tt.number}) {
			t.Errorf("%+v", e)
		}
	}
}

func TestAVersionOrAForgottenTokenIsReadAnew(t *testing.T) {
	d := deploy(t)
	u := d.instance(t, oldKeyset)
	ref := d.connect(t, u, 1)
	ref.Version = "1"
	first := token(t, u, ref, false)
	s := d.reconnect(t, u)
	d.rows.edit(ref.Connection, func(row *identity.StoredTokens) {
		row.Sealed = u.SealTokens("acme", ref.Connection, row.Tenant, row.ObjectID, s.Cache)
	})
	if token(t, u, ref, false) != first {
		t.Error("the token in memory was not used")
	}
	ref.Version = "2"
	if got := token(t, u, ref, false); got != s.AccessToken {
		t.Error("the earlier sign-in's token was used")
	}
	u.Forget(ref)
	before, _ := d.rows.counts()
	token(t, u, ref, false)
	if after, _ := d.rows.counts(); after != before+1 {
		t.Error("the row was not read after Forget")
	}
}
