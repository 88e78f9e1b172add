package graph

import (
	"slices"
	"strings"

	"github.com/calbridge/calbridge/shared/reason"
)

// Source says whose code a Code is.
type Source string

// The sources.
const (
	FromGraph Source = "graph"
	FromEntra Source = "entra"
)

// Code is one answer of Graph or Entra that matters, with what it means to the
// engine and to people (features.md A10).
type Code struct {
	Source Source
	Status int    // HTTP status; 0 any
	Name   string // Graph's code, or OAuth's error with "/" and the suberror; "*" any other
	AADSTS int    // Entra's number; 0 none
	Kind   Kind
	// Reason is the state reason that follows; "" where none does by itself.
	Reason string
	// Words are the reason's, or where there is none, what the code says.
	reason.Words
}

// Codes is the closed list: graph/contract.md sections 9 and 13.5, and one row with
// the name * for every status, and one for Entra, that takes what is not named. A
// test holds every row against Classify and ClassifyToken, which decide.
//
// Guessed: the owners and next steps, as in package reason, and by contract 13.5's
// own tag the error that goes with most numbers.
func Codes() []Code {
	out := make([]Code, 0, len(graphCodes)+len(entraCodes))
	for _, c := range append(slices.Clone(graphCodes), entraCodes...) {
		if e, ok := reason.Find(c.Reason); ok {
			c.Words = e.Words
		}
		out = append(out, c)
	}
	return out
}

// FindCode returns the row of an answer: the one of its status and code, else the
// one that takes the unnamed codes of that status, else of any. For Entra the
// number decides first, where there is a row of it, then error and suberror, then
// the error alone.
func FindCode(source Source, status int, name string, aadsts ...int) Code {
	best, rank := Code{}, 0
	for _, c := range Codes() {
		if c.Source != source || c.Status != 0 && c.Status != status {
			continue
		}
		if r := c.rank(name, aadsts); r > rank {
			best, rank = c, r
		}
	}
	return best
}

// rank says how well a row names an answer; 0 is not at all.
func (c Code) rank(name string, aadsts []int) int {
	oauth, _, _ := strings.Cut(name, "/")
	switch {
	case c.AADSTS != 0 && slices.Contains(aadsts, c.AADSTS):
		return 5
	case c.AADSTS != 0:
		return 0
	case strings.EqualFold(c.Name, name):
		return 4
	case c.Source == FromEntra && c.Name == oauth:
		return 3
	case c.Name == "*" && c.Status != 0 && name != "":
		return 2
	case c.Name == "*" && c.Status == 0:
		return 1
	}
	return 0
}

// What codes without a reason say.
var (
	noWords   reason.Words // the reason's are taken
	again     = reason.Words{Sentence: "Microsoft 365 did not answer properly.", Owner: reason.Operator, Next: "Nothing to do: it is tried again for a day."}
	slower    = reason.Words{Sentence: "Microsoft 365 asked the calendar connection to slow down.", Owner: reason.Operator, Next: "Nothing to do: it goes on when Microsoft allows it."}
	changed   = reason.Words{Sentence: "Somebody changed the event at the same moment.", Owner: reason.Operator, Next: "Nothing to do: it is read and written again."}
	eventGone = reason.Words{Sentence: "The event is not in the calendar any more.", Owner: reason.User, Next: "Nothing to do."}
	readAnew  = reason.Words{Sentence: "Microsoft 365 has forgotten how far the calendar was read.", Owner: reason.Operator, Next: "Nothing to do: the calendar is read anew."}
	token     = reason.Words{Sentence: "Microsoft 365 did not accept the sign-in of the calendar connection.", Owner: reason.Operator, Next: "Nothing to do: it is tried with a fresh token."}
	badClient = reason.Words{Sentence: "Microsoft Entra did not accept the credential of the calendar connection.", Owner: reason.Operator,
		Next: "Check the client secret, certificate or federated credential of the app registration."}
	badApp = reason.Words{Sentence: "The app registration or the request of the calendar connection is not as Microsoft Entra wants it.", Owner: reason.Operator,
		Next: "Compare the app registration with the documentation of the deployment."}
	badTenant = reason.Words{Sentence: "Microsoft Entra knows no such tenant.", Owner: reason.Operator, Next: "Check to which tenant the organisation is bound."}
	noService = reason.Words{Sentence: "The organisation's tenant does not have the service that is asked for.", Owner: reason.EntraAdmin,
		Next: "Check that the tenant has Exchange Online licences."}
	unnamed = reason.Words{Sentence: "Microsoft Entra gave no token, for a cause that has no name here.", Owner: reason.Operator,
		Next: "Look up the code in Microsoft's list of Entra errors."}
)
