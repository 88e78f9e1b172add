package organization_test

import (
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/organization"
)

const gone, refused, required = organization.SignGone, organization.SignRefused, organization.SignRequired

// identity.md section 2, "When is consent lost?"
func TestConsentIsLostOnlyByEnoughSigns(t *testing.T) {
	seen := func(lane string, sign organization.Sign, good bool) organization.Seen {
		return organization.Seen{Lane: lane, Sign: sign, Good: good}
	}
	for name, c := range map[string]struct {
		seen []organization.Seen
		lost bool
	}{
		"the app is gone":                    {[]organization.Seen{seen("a", gone, false)}, true},
		"one mailbox refuses":                {[]organization.Seen{seen("a", refused, true)}, false},
		"three do, none ever worked":         {[]organization.Seen{seen("a", refused, false), seen("b", refused, false), seen("c", refused, false)}, false},
		"three do, one had worked":           {[]organization.Seen{seen("a", refused, false), seen("b", refused, true), seen("c", refused, false)}, true},
		"many do, the last of them worked":   {[]organization.Seen{seen("a", refused, false), seen("b", refused, false), seen("c", refused, false), seen("d", refused, false), seen("e", refused, false), seen("f", refused, false), seen("g", refused, false), seen("h", refused, false), seen("i", refused, true)}, true},
		"the same one three times":           {[]organization.Seen{seen("a", refused, true), seen("a", refused, true), seen("a", refused, true)}, false},
		"three people are asked for consent": {[]organization.Seen{seen("a", required, false), seen("b", required, false), seen("c", required, false)}, true},
		"two people are":                     {[]organization.Seen{seen("a", required, false), seen("b", required, false), seen("a", required, false)}, false},
		"two people, and a mailbox refuses":  {[]organization.Seen{seen("a", required, false), seen("b", required, false), seen("c", refused, true)}, false},
	} {
		o, _ := organisation(t, `{"profile":"training"}`).Bind(acme, noon.Add(-time.Hour))
		for _, s := range c.seen {
			o, _ = o.Doubted(s, noon)
		}
		if lost := o.State.Consent == "consent-missing"; lost != c.lost {
			t.Errorf("%s: lost %v, %+v", name, lost, o.State.Doubt)
		}
		if c.lost && o.State.Tenant != acme {
			t.Errorf("%s: the tenant is unbound", name)
		}
	}
}

func TestWhatIsKnownAlreadyChangesNothing(t *testing.T) {
	o, _ := organisation(t, `{"profile":"training"}`).Bind(acme, noon.Add(-time.Hour))
	s := organization.Seen{Lane: "a", Sign: refused}
	o, news := o.Doubted(s, noon)
	if _, again := o.Doubted(s, noon); !news || again {
		t.Errorf("news %v, then %v", news, again)
	}
	o.State.Consent = "consent-missing"
	if _, news := o.Doubted(organization.Seen{Lane: "b", Sign: gone}, noon); news {
		t.Error("lost what is lost already")
	}
	if _, news := organisation(t, `{"profile":"training"}`).Doubted(s, noon); news {
		t.Error("nobody had consented")
	}
}

func TestFor15MinutesAfterAConsentNothingSpeaksAgainstIt(t *testing.T) {
	o, _ := organisation(t, `{"profile":"training"}`).Bind(acme, noon)
	s := organization.Seen{Lane: "a", Sign: gone}
	if _, news := o.Doubted(s, noon.Add(15*time.Minute-time.Second)); news {
		t.Error("counted before all of Microsoft knew of the consent")
	}
	if o, _ = o.Doubted(s, noon.Add(15*time.Minute)); o.State.Consent != "consent-missing" {
		t.Error("not counted afterwards")
	}
}

func TestAMailboxThatAnswersTakesTheWordOfThoseThatRefused(t *testing.T) {
	o, _ := organisation(t, `{"profile":"training"}`).Bind(acme, noon.Add(-time.Hour))
	for _, lane := range []string{"a", "b"} {
		o, _ = o.Doubted(organization.Seen{Lane: lane, Sign: refused, Good: true}, noon)
	}
	o, news := o.Worked(noon)
	if !news || !o.State.Doubt.IsZero() {
		t.Errorf("news %v, %+v", news, o.State.Doubt)
	}
	if o, _ = o.Doubted(organization.Seen{Lane: "c", Sign: refused, Good: true}, noon); o.State.Consent != "granted" {
		t.Error("lost, though it had worked in between")
	}
	o.State.Doubt = organization.Doubt{}
	if _, news := o.Worked(noon); news {
		t.Error("a write that works as always is news")
	}
}

func TestAWriteProvesNothingWhileItsTokenMayBeOlderThanTheLoss(t *testing.T) {
	o, _ := organisation(t, `{"profile":"training"}`).Bind(acme, noon.Add(-time.Hour))
	o, _ = o.Doubted(organization.Seen{Lane: "a", Sign: gone}, noon)
	if next, news := o.Worked(noon.Add(time.Hour)); news || next.State.Consent != "consent-missing" {
		t.Errorf("an old token found the consent again: %+v", next.State)
	}
	if next, news := o.Worked(noon.Add(2 * time.Hour)); !news || next.State.Consent != "granted" {
		t.Errorf("not found again: %+v", next.State)
	}
	if next := o.Prove("", nil); next.State.Consent != "granted" || !next.State.Doubt.IsZero() {
		t.Errorf("a fresh token did not find it: %+v", next.State)
	}
}
