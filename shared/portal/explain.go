package portal

import (
	"strconv"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/reason"
)

// explanation is why a connection does not work, in the reader's language: one
// sentence, one owner, one next step (A10).
type explanation struct {
	What, Next string
	Owner      reason.Owner // "" where nothing is wrong
	// Code is Microsoft's, such as AADSTS700082; Correlation names the attempt in the
	// tenant's sign-in logs. Both for whoever mends it.
	Code, Correlation string
}

// deaths says in one word why a sign-in does not hold any more, by Entra's number: the
// texts why.<word>.what and .next. Others say what their state says.
var deaths = map[int]string{
	700082: "unused", 70008: "unused", 700084: "unused",
	50173: "revoked", 70000: "revoked", 50089: "revoked", 54005: "revoked",
	70043: "frequency",
	50057: "disabled",
	50076: "stronger", 50079: "stronger", 50074: "stronger", 50072: "stronger", 50078: "stronger",
	53000: "device", 53001: "device", 53002: "device",
	53003: "policy", 530032: "policy", 50131: "policy",
	65001: "consent", 65004: "consent",
	700016: "gone", 7000112: "gone",
}

// ownersOfCauses are who mends what deaths names; else the owner of the reason that the
// state is.
var ownersOfCauses = map[string]reason.Owner{
	"unused": reason.User, "revoked": reason.User, "frequency": reason.User, "stronger": reason.User, "consent": reason.User,
	"disabled": reason.EntraAdmin, "device": reason.EntraAdmin, "policy": reason.EntraAdmin, "gone": reason.EntraAdmin,
}

// explain says why a connection is not connected; the zero value where it is, or is
// only paused.
func (v *visit) explain(c connection.Connection) explanation {
	if c.State == connection.Connected || c.State == connection.Paused {
		return explanation{}
	}
	number, err := strconv.Atoi(c.Cause)
	if err != nil || number <= 0 {
		if c.Cause == "" {
			return v.because(string(c.State))
		}
		e := v.because(c.Cause)
		e.Correlation = c.Correlation
		return e
	}
	e := v.because(string(c.State))
	if word, ok := deaths[number]; ok {
		e = explanation{What: v.say("why." + word + ".what"), Next: v.say("why." + word + ".next"), Owner: ownersOfCauses[word]}
	} else if row := codeOf(number); row.AADSTS == number && row.Reason == "" {
		e = explanation{What: row.Sentence, Next: row.Next, Owner: row.Owner}
	}
	e.Code, e.Correlation = "AADSTS"+c.Cause, c.Correlation
	return e
}

// codeOf is the row of an AADSTS number, whatever status it came with.
func codeOf(number int) graph.Code {
	for _, row := range graph.Codes() {
		if row.Source == graph.FromEntra && row.AADSTS == number {
			return row
		}
	}
	return graph.Code{}
}

// because are the words of a reason: the catalogue's, which speak to the person whose
// calendar it is, else those of package reason.
func (v *visit) because(name string) explanation {
	e, ok := reason.Find(name)
	switch {
	case name == string(connection.Unreachable): // a state without a reason of its own
		return explanation{What: v.say("why.unreachable.what"), Next: v.say("why.unreachable.next"), Owner: reason.EntraAdmin}
	case !ok:
		return explanation{What: v.say("why.unknown.what"), Next: v.say("why.unknown.next"), Owner: reason.Operator, Code: name}
	}
	out := explanation{What: e.Sentence, Next: e.Next, Owner: e.Owner}
	if key := "why." + name; v.lang.has(key + ".what") {
		out.What, out.Next = v.say(key+".what"), v.say(key+".next")
	}
	return out
}

// say is a text for this visit.
func (v *visit) say(key string, pairs ...string) string { return v.lang.text(key, v.words(pairs)) }
