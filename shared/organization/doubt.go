package organization

import (
	"slices"
	"time"
)

// Sign is an answer of Microsoft that may mean that consent was taken back.
type Sign string

// The signs (identity.md section 2, "When is consent lost?").
const (
	// SignGone: 700016 or 7000112, the app is not in the tenant or switched off there.
	SignGone Sign = "gone"
	// SignRefused: 403 on a mailbox, with the app's own token.
	SignRefused Sign = "refused"
	// SignRequired: consent_required on a user's refresh.
	SignRequired Sign = "required"
)

// doubtful is how many different people's answers it takes.
const doubtful = 3

// Doubt is what speaks against a consent since it last worked.
type Doubt struct {
	// Since is when the first of them came, or while the consent is missing, when it
	// was lost (UTC).
	Since time.Time `json:"since,omitzero"`
	Seen  []Seen    `json:"seen,omitempty"` // one of each lane and sign
}

// Seen is one of them.
type Seen struct {
	Lane string `json:"lane"`
	Sign Sign   `json:"sign"`
	// Good says that the mailbox had been read or written before.
	Good bool `json:"good,omitempty"`
}

// IsZero reports whether nothing speaks against it.
func (d Doubt) IsZero() bool { return len(d.Seen) == 0 && d.Since.IsZero() }

// knows reports whether a lane's sign is counted, or enough others are.
func (d Doubt) knows(s Seen) bool {
	same := 0
	for _, seen := range d.Seen {
		if seen.Sign != s.Sign {
			continue
		}
		if seen.Lane == s.Lane {
			return true
		}
		same++
	}
	return same > 2*doubtful // none of them was good: one that is still counts
}

// Settling is for how long after a consent its absence proves nothing: it takes
// that long until all of Entra and Exchange know (identity.md section 2).
const Settling = 15 * time.Minute

// Doubted judges an answer that may mean that consent was taken back, and reports
// whether anything changed; Consent is consent-missing when it was. Within 15
// minutes of a consent nothing counts.
//
// SignGone says it alone. SignRefused says it from a mailbox that had worked and
// two others, SignRequired from three different people, all since the consent last
// worked: whoever sees it work calls Worked or Prove, which forget the doubt.
func (o Organization) Doubted(s Seen, at time.Time) (Organization, bool) {
	if !o.State.Consented() || o.State.Consent == ConsentMissing || at.Sub(o.State.ConsentedAt) < Settling {
		return o, false
	}
	if s.Sign != SignGone && o.State.Doubt.knows(s) && !(s.Good && !o.State.Doubt.good(s.Sign)) {
		return o, false
	}
	d := Doubt{Since: o.State.Doubt.Since, Seen: append(slices.Clone(o.State.Doubt.Seen), s)}
	if d.Since.IsZero() {
		d.Since = at.UTC().Truncate(time.Second)
	}
	o.State.Doubt = d
	if d.sure(s.Sign) {
		o.State.Consent, o.State.Doubt = ConsentMissing, Doubt{Since: at.UTC().Truncate(time.Second)}
	}
	return o, true
}

// tokenLife is the longest that an access token lives (graph/contract.md 13.2): one
// may work for so long after what it was made of is gone.
const tokenLife = 90 * time.Minute

// Worked notes that a calendar was written, and reports whether anything changed.
// A mailbox that answers takes the word of those that refused; what was said of the
// app or of people's tokens counts until no token can be from before it.
func (o Organization) Worked(at time.Time) (Organization, bool) {
	d := o.State.Doubt
	if d.IsZero() && o.State.Consent != ConsentMissing {
		return o, false
	}
	if at.Sub(d.Since) > tokenLife {
		return o.back(), true
	}
	kept := slices.DeleteFunc(slices.Clone(d.Seen), func(s Seen) bool { return s.Sign == SignRefused })
	if len(kept) == len(d.Seen) {
		return o, false
	}
	d.Seen = kept
	if len(kept) == 0 {
		d = Doubt{}
	}
	o.State.Doubt = d
	return o, true
}

// back is o without doubt, and with the consent that it had.
func (o Organization) back() Organization {
	o.State.Doubt = Doubt{}
	if o.State.Consent == ConsentMissing {
		o.State.Consent = ConsentGranted
	}
	return o.outdate()
}

func (d Doubt) sure(sign Sign) bool {
	if sign == SignGone {
		return true
	}
	lanes := map[string]bool{}
	for _, seen := range d.Seen {
		if seen.Sign == sign {
			lanes[seen.Lane] = true
		}
	}
	return len(lanes) >= doubtful && (sign == SignRequired || d.good(sign))
}

func (d Doubt) good(sign Sign) bool {
	return slices.ContainsFunc(d.Seen, func(s Seen) bool { return s.Sign == sign && s.Good })
}
