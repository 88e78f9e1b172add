package portal

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

// What an application's consent gave is proven by reading a mailbox, and the limits of a
// scoped one by a second mailbox that is refused (identity.md section 2). The form is on the
// set-up page, and on the page where the Entra admin who limits it in Exchange ends. The
// addresses are kept nowhere.

// testForm is the form, and what its last use came to.
type testForm struct {
	Action string
	// Scoped asks for a mailbox outside of the limits too.
	Scoped bool
	// Result is the word of the text test.<word>; "" before anything was tested.
	Result string
	Good   bool
}

// testAddresses is the result of a form without an address, or with the same one twice.
const testAddresses = "addresses"

// testResults are the words that the page may be told to say.
var testResults = []string{string(organization.ProbeRead), string(organization.ProbeRefused), string(organization.ProbeUnclear),
	string(organization.ScopeProven), string(organization.ScopeTooWide), string(organization.ScopeNarrow), testAddresses}

// testForm is the form of an organisation whose app reads by itself, once it is bound; nil
// where nothing can be tested, or everything is proven.
func (v *visit) testForm(action string) *testForm {
	o := v.org
	f := testForm{Action: action, Scoped: o.Consent == "scoped"}
	if word := v.values.Get("test"); slices.Contains(testResults, word) {
		f.Result, f.Good = word, word == string(organization.ProbeRead) || word == string(organization.ScopeProven)
	}
	proven := o.State.Evidence == organization.EvidenceProbe && o.State.Consent == organization.ConsentGranted
	if o.Permission != organization.Application || o.State.Tenant == "" || proven && f.Result == "" {
		return nil
	}
	return &f
}

// test reads the mailboxes of the form that came, and says what that came to.
func (v *visit) test(ctx context.Context) (word string, err error) {
	inside, outside := strings.TrimSpace(v.values.Get("inside")), strings.TrimSpace(v.values.Get("outside"))
	scoped := v.org.Consent == "scoped"
	switch {
	case !isAddress(inside), scoped && !isAddress(outside), strings.EqualFold(inside, outside):
		return testAddresses, nil
	case scoped:
		proof, err := v.portal.deps.Consents.ProbeScope(ctx, v.org.ID, inside, outside)
		return string(proof), err
	}
	probe, err := v.portal.deps.Consents.ProbeConsent(ctx, v.org.ID, inside)
	return string(probe), err
}

// tested answers a form with the page it is on. Doing it again asks again.
func (v *visit) tested(ctx context.Context, page string) Answer {
	word, err := v.test(ctx)
	switch {
	case errors.Is(err, engine.ErrNotProbed), errors.Is(err, engine.ErrNoConsent):
		return v.see(page) // the settings have changed: there is nothing to test any more
	case errors.Is(err, state.ErrNotFound):
		return v.trouble(organizationGone)
	case err != nil:
		return v.broken(err)
	}
	return v.see(page + "?" + url.Values{"test": {word}}.Encode())
}

// probeSetup serves the form on the org admin's page.
func (p *Portal) probeSetup(ctx context.Context, v *visit) Answer {
	return v.tested(ctx, p.path(pageSetup, v.id))
}

// probeAttempt serves the form on the page of the attempt that bound the tenant.
func (p *Portal) probeAttempt(ctx context.Context, v *visit, f state.Flow) Answer {
	here := p.path(pageAttempt, f.ID)
	if v.org.State.BoundAttempt != f.ID {
		return v.see(here)
	}
	return v.tested(ctx, here)
}

// maxAddress is what an address may have (RFC 5321).
const maxAddress = 254

// isAddress tells what looks like an address.
func isAddress(s string) bool {
	user, domain, ok := strings.Cut(s, "@")
	return ok && user != "" && domain != "" && len(s) <= maxAddress && !strings.ContainsAny(s, " \t\r\n/\\?#%")
}
