package portal

// The troubles of signing in to connect: why nobody can leave for Microsoft, and what is
// wrong with an attempt.
const (
	consentMissing trouble = "consent-missing"
	syncOff        trouble = "sync-off"
	noSignIn       trouble = "no-sign-in"
	noPerson       trouble = "no-person"
	policyBlocks   trouble = "policy-blocks"
	badChoice      trouble = "bad-choice"
)

// refused is t as what functions return that find something in the way.
func (v *visit) refused(t trouble) *Answer { a := v.trouble(t); return &a }

// failed is broken as what such functions return.
func (v *visit) failed(err error) *Answer { a := v.broken(err); return &a }
