package entra_test

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/local/m365/entra"
)

// key finds a published key; nil for one that is not.
func (w *world) key(t *testing.T, tenant string, kid any) *rsa.PublicKey {
	t.Helper()
	for _, one := range w.fetch(t, "/"+tenant+"/discovery/v2.0/keys")["keys"].([]any) {
		k := one.(map[string]any)
		if k["kid"] != kid {
			continue
		}
		n, err := base64.RawURLEncoding.DecodeString(k["n"].(string))
		if err != nil {
			t.Fatal(err)
		}
		return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537}
	}
	return nil
}

// Contract 13.2, 13.4: sign-in, consent, code, tokens.
func TestAUserSignsInConsentsAndTheCodeBecomesTokens(t *testing.T) {
	w := people(t)
	b := w.browser(t).open(authorizePath(acme), request())
	b.shows("Pick an account", "Calbridge", erin).pick(erin).shows("Permissions requested", "Calendars.ReadWrite", "Have full access to your calendars")
	if strings.Contains(b.page, "on_behalf") {
		t.Error("an employee may consent for all")
	}
	got := b.decide("accept").returned(redirect)
	if got.Get("state") != "st/1 &" || got.Get("session_state") == "" || got.Get("error") != "" {
		t.Errorf("%v", got)
	}
	status, _, body := w.ask(t, acme, redeem(got.Get("code"), "client_info", "1"))
	if status != 200 || body["token_type"] != "Bearer" || body["refresh_token"] == nil || body["scope"] != graph+"Calendars.ReadWrite email openid profile" {
		t.Fatalf("%d %v", status, body)
	}
	caller, err := w.Check("Bearer "+body["access_token"].(string), "")
	if err != nil || caller.Tenant != acme || caller.User == "" || len(caller.Roles) != 0 || !slices.Contains(caller.Scopes, "Calendars.ReadWrite") {
		t.Errorf("%+v, %v", caller, err)
	}
	host := strings.TrimPrefix(w.url, "http://")
	id := w.claims(t, acme, body["id_token"])
	for name, want := range map[string]any{
		"aud": app, "iss": "https://" + host + "/" + acme + "/v2.0", "tid": acme, "oid": caller.User, "nonce": "n1", "ver": "2.0", "name": "Erin",
		"preferred_username": erin, "email": "erin.e@acme.example", "sid": got.Get("session_state"),
	} {
		if id[name] != want {
			t.Errorf("%s is %v, want %v", name, id[name], want)
		}
	}
	for _, name := range []string{"sub", "uti", "rh", "aio", "iat", "nbf", "exp", "wids"} {
		if id[name] == nil {
			t.Errorf("the id token lacks %s", name)
		}
	}
	info, _ := base64.RawURLEncoding.DecodeString(body["client_info"].(string))
	var home map[string]string
	if err := json.Unmarshal(info, &home); err != nil || home["uid"] != caller.User || home["utid"] != acme {
		t.Errorf("client_info %s", info)
	}
	if g := w.Grants(acme); len(g.Roles) != 0 || len(g.Delegated) != 1 || g.Delegated[0].User != caller.User {
		t.Errorf("grants %+v", g)
	}
}

// Contract 13.2: single sign-on, login_hint, prompt.
func TestASessionSignsInStraightAway(t *testing.T) {
	w := people(t)
	w.Grant(acme, app, "", "Calendars.ReadWrite")
	w.Grant(globex, app, "", "Calendars.ReadWrite")
	b := w.browser(t)
	b.open(authorizePath(acme), request("prompt", "none")).returned(redirect)
	if e := b.back.Query(); e.Get("error") != "login_required" || !strings.HasPrefix(e.Get("error_description"), "AADSTS50058") || e.Get("state") == "" {
		t.Errorf("%v", e)
	}
	b.open(authorizePath(acme), request("login_hint", erin)).shows("hinted").submit(erin, "account", erin).returned(redirect)
	for _, pairs := range [][]string{{}, {"login_hint", strings.ToUpper(erin)}, {"prompt", "none"}, {"domain_hint", "acme.example"}} {
		if got := b.open(authorizePath(acme), request(pairs...)).returned(redirect); got.Get("code") == "" {
			t.Errorf("%v: %v", pairs, got)
		}
	}
	for _, pairs := range [][]string{{"prompt", "login"}, {"prompt", "select_account"}, {"login_hint", ada}, {"domain_hint", "globex.example"}} {
		if b.open(authorizePath(acme), request(pairs...)); b.title != "Pick an account" {
			t.Errorf("%v: %q", pairs, b.title)
		}
	}
	b.open(authorizePath("organizations"), request("prompt", "select_account")).pick(gus).returned(redirect)
	if got := b.open(authorizePath("organizations"), request("prompt", "none")).returned(redirect); got.Get("error") != "interaction_required" {
		t.Errorf("two accounts, no hint: %v", got)
	}
	if b.open(authorizePath("organizations"), request()); b.title != "Pick an account" {
		t.Errorf("two accounts: %q", b.title)
	}
	b.open("/common/oauth2/v2.0/logout", url.Values{"post_logout_redirect_uri": {redirect}, "state": {"x"}}).returned(redirect)
	if got := b.open(authorizePath(acme), request("prompt", "none")).returned(redirect); got.Get("error") != "login_required" {
		t.Errorf("signed out: %v", got)
	}
	b.open("/common/oauth2/v2.0/logout", url.Values{"post_logout_redirect_uri": {"https://evil.example"}}).shows("You signed out")
}

// Contract 13.2: what is not redirected.
func TestARequestThatCannotBeTrustedStaysOnThePage(t *testing.T) {
	w := people(t)
	w.Register(entra.App{ID: globex, Name: "Single", Tenant: acme, RedirectURIs: []string{redirect}})
	for name, tt := range map[string]struct {
		tenant string
		pairs  []string
		number string
	}{
		"unknown client":        {acme, []string{"client_id", acme}, "AADSTS700016"},
		"malformed client":      {acme, []string{"client_id", "x"}, "AADSTS700016"},
		"no client":             {acme, []string{"client_id", ""}, "AADSTS900144"},
		"other redirect":        {acme, []string{"redirect_uri", redirect + "/"}, "AADSTS50011"},
		"redirect with query":   {acme, []string{"redirect_uri", redirect + "?a=b"}, "AADSTS50011"},
		"redirect in capitals":  {acme, []string{"redirect_uri", strings.ToUpper(redirect)}, "AADSTS50011"},
		"no redirect":           {acme, []string{"redirect_uri", ""}, "AADSTS900971"},
		"unknown tenant":        {app, nil, "AADSTS90002"},
		"malformed tenant":      {"nobody", nil, "AADSTS900023"},
		"single tenant, common": {"common", []string{"client_id", globex}, "AADSTS50194"},
		"single tenant, other":  {globex, []string{"client_id", globex}, "AADSTS700016"},
	} {
		t.Run(name, func(t *testing.T) {
			w.browser(t).open(authorizePath(tt.tenant), request(tt.pairs...)).shows(tt.number)
		})
	}
	twice := request()
	twice.Add("state", "other")
	w.browser(t).open(authorizePath(acme), twice).shows("AADSTS9000411")
}

// Contract 13.2, 13.5: what is told to the application.
func TestAMalformedRequestGoesBackWithAnError(t *testing.T) {
	w := people(t)
	for name, tt := range map[string]struct {
		pairs []string
		code  string
		text  string
	}{
		"implicit":         {[]string{"response_type", "id_token"}, "unsupported_response_type", "AADSTS700054"},
		"unknown type":     {[]string{"response_type", "cookie"}, "unsupported_response_type", "AADSTS70007"},
		"no type":          {[]string{"response_type", ""}, "invalid_request", "AADSTS900144"},
		"unknown mode":     {[]string{"response_mode", "smoke"}, "unsupported_response_type", "AADSTS70007"},
		"no scope":         {[]string{"scope", ""}, "invalid_request", "AADSTS900144"},
		"unknown scope":    {[]string{"scope", "openid Calendars.Burn"}, "invalid_scope", "AADSTS70011"},
		"other resource":   {[]string{"scope", "https://example.com/read"}, "invalid_resource", "AADSTS500011"},
		"default and name": {[]string{"scope", graph + ".default " + graph + "User.Read"}, "invalid_scope", "AADSTS70011"},
		"plain challenge":  {[]string{"code_challenge_method", "plain"}, "invalid_request", "AADSTS50147"},
		"no method":        {[]string{"code_challenge_method", ""}, "invalid_request", "AADSTS50147"},
		"short challenge":  {[]string{"code_challenge", "abc"}, "invalid_request", "AADSTS50147"},
		"no challenge":     {[]string{"code_challenge", ""}, "invalid_request", "AADSTS50147"},
		"unknown prompt":   {[]string{"prompt", "admin_consent"}, "invalid_request", "AADSTS90023"},
		"broken claims":    {[]string{"claims", "{"}, "invalid_request", "AADSTS90023"},
	} {
		t.Run(name, func(t *testing.T) {
			got := w.browser(t).open(authorizePath(acme), request(tt.pairs...)).returned(redirect)
			if got.Get("error") != tt.code || !strings.HasPrefix(got.Get("error_description"), tt.text+":") || got.Get("state") != "st/1 &" || got.Get("code") != "" {
				t.Errorf("%v", got)
			}
		})
	}
}

// Contract 13.2: response_mode.
func TestTheAnswerComesInTheModeThatWasAskedFor(t *testing.T) {
	w := people(t)
	w.Grant(acme, app, "", "Calendars.ReadWrite")
	b := w.browser(t)
	b.open(authorizePath(acme), request("response_mode", "fragment")).pick(erin)
	if fragment, err := url.ParseQuery(b.back.Fragment); err != nil || fragment.Get("code") == "" || b.back.RawQuery != "" {
		t.Errorf("fragment: %v", b.back)
	}
	if b.open(authorizePath(acme), request("response_mode", "query")).returned(redirect).Get("code") == "" {
		t.Error("no code by query")
	}
	b.open(authorizePath(acme), request("response_mode", "form_post"))
	if b.back != nil || !strings.Contains(b.page, `action="`+redirect+`"`) || !strings.Contains(b.page, `name="code"`) || !strings.Contains(b.page, `name="state" value="st/1 &amp;"`) {
		t.Errorf("form_post:\n%s", b.page)
	}
	post := request()
	if b.read(b.http.PostForm(w.url+authorizePath(acme), post)); b.back == nil || b.back.Query().Get("code") == "" {
		t.Errorf("posted: %d %v", b.code, b.back)
	}
	resp, err := b.http.Post(w.url+authorizePath(acme), "application/json", strings.NewReader("{}"))
	if b.read(resp, err); b.code != http.StatusBadRequest {
		t.Errorf("JSON: %d", b.code)
	}
}

// Contract 13.5: 50020, 50034, 50057, 50105, 500021, 5300x, 7000112 stay on the page,
// from where another account can sign in.
func TestAnAccountThatMayNotEnterStaysOnThePage(t *testing.T) {
	w := people(t)
	w.Grant(acme, app, "", "Calendars.ReadWrite")
	b := w.browser(t)
	try := func(user string, words ...string) {
		t.Helper()
		b.open(authorizePath(acme), request("prompt", "select_account")).pick(user).shows(words...)
	}
	try("nobody@acme.example", "AADSTS50034", "Pick an account")
	try(gus, "AADSTS50020")
	b.submit(`id="other-account"`).shows("Pick an account").pick(erin).returned(redirect)
	w.DisableUser(acme, erin, true)
	try(erin, "AADSTS50057")
	w.DisableUser(acme, erin, false)
	w.Assign(acme, app, ada)
	try(erin, "AADSTS50105")
	if got := b.open(authorizePath(acme), request("prompt", "none", "login_hint", erin)).returned(redirect); got.Get("error") != "interaction_required" {
		t.Errorf("silent: %v", got)
	}
	w.Assign(acme, app)
	w.Disable(acme, app, true)
	try(erin, "AADSTS7000112")
	w.Disable(acme, app, false)
	for number, p := range map[string]entra.Policy{
		"AADSTS500021": {Restricted: true}, "AADSTS53003": {Browser: entra.Condition{Block: 53003, Users: []string{erin}}},
	} {
		if err := w.SetPolicy(acme, p); err != nil {
			t.Fatal(err)
		}
		try(erin, number)
		if err := w.SetPolicy(acme, entra.Policy{}); err != nil {
			t.Fatal(err)
		}
	}
	b.open(authorizePath(acme), request("prompt", "select_account")).pick(ada).returned(redirect)
	if err := w.SetPolicy(acme, entra.Policy{Browser: entra.Condition{Block: 1}}); err == nil {
		t.Error("AADSTS1 blocks")
	}
}

// Contract 13.2, 13.4: organizations, common, a guest's other object id, personal accounts.
func TestTheTenantIsThePathsOrThePersonsOwn(t *testing.T) {
	w := people(t)
	for _, tenant := range []string{acme, globex} {
		w.Grant(tenant, app, "", "Calendars.ReadWrite")
	}
	for path, user := range map[string]string{"organizations": gus, "common": gus, "globex.example": gus} {
		id := w.claims(t, "common", w.signIn(t, path, user)["id_token"])
		if id["tid"] != globex || !strings.HasSuffix(id["iss"].(string), "/"+globex+"/v2.0") {
			t.Errorf("%s: %v", path, id)
		}
	}
	home := w.claims(t, globex, w.signIn(t, globex, gus)["id_token"])
	guest, ok := w.AddGuest(acme, globex, gus)
	if !ok {
		t.Fatal("no guest")
	}
	there := w.claims(t, acme, w.signIn(t, acme, gus)["id_token"])
	if there["oid"] != guest.ObjectID || there["oid"] == home["oid"] || there["tid"] != acme || there["sub"] == home["sub"] || there["idp"] == nil || home["idp"] != nil {
		t.Errorf("home %v, as a guest %v", home, there)
	}
	w.browser(t).open(authorizePath("organizations"), request()).pick(pat).shows("AADSTS50020")
	w.browser(t).open(authorizePath("common"), request()).pick(pat).shows("AADSTS50020")
	w.Register(entra.App{ID: app, Secrets: []string{"s3cret"}, RedirectURIs: []string{redirect}, Personal: true})
	b := w.browser(t).open(authorizePath("common"), request()).pick(pat).decide("accept")
	_, _, body := w.ask(t, "common", redeem(b.returned(redirect).Get("code")))
	if id := w.claims(t, "common", body["id_token"]); id["tid"] != entra.Consumers {
		t.Errorf("personal: %v", id)
	}
	w.browser(t).open(authorizePath("organizations"), request()).pick(pat).shows("AADSTS50020")
	w.browser(t).open(authorizePath("consumers"), request()).pick(erin).shows("AADSTS50020")
}

// Contract 13.5, 50076: a policy asks for a second factor, and claims ask for it again.
func TestASecondFactorIsAskedWherePolicyOrClaimsWantIt(t *testing.T) {
	w := people(t)
	w.Grant(acme, app, "", "Calendars.ReadWrite")
	b := w.browser(t)
	b.open(authorizePath(acme), request()).pick(erin).returned(redirect)
	claims := []string{"claims", `{"access_token":{"capolids":{"essential":true,"values":["x"]}}}`}
	b.open(authorizePath(acme), request(claims...)).shows("Verify your identity")
	if err := w.SetPolicy(acme, entra.Policy{Browser: entra.Condition{MFA: true}}); err != nil {
		t.Fatal(err)
	}
	if got := b.open(authorizePath(acme), request("prompt", "none")).returned(redirect); got.Get("error") != "interaction_required" || !strings.Contains(got.Get("error_description"), "50076") {
		t.Errorf("silent: %v", got)
	}
	b.open(authorizePath(acme), request()).decide("approve").returned(redirect)
	b.open(authorizePath(acme), request(claims...)).returned(redirect)
}
