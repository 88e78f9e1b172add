package rules_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/local/servicebus/rules"
)

// told is a message of the changes topic.
var told = rules.Message{ID: "m-1", Subject: "calbridge.delivery.v1", CorrelationID: "c-1", ContentType: "application/json",
	Properties: map[string]any{"organization": "acme", "type": "calbridge.delivery.v1", "attempt": int64(3), "small": int32(3), "share": 0.5,
		"live": true, "id": uuid.MustParse("6d1f2c3a-8b57-4e0e-9a41-5c7e0b92d4f3"), "odd name": "x", "quote": "it's", "percent": "100%", "empty": ""}}

// docs is "Subscription Rule SQL Filter Syntax", samples "Topic filters and actions",
// both of Microsoft's Service Bus documentation; sql92 is the truth table of SQL-92,
// 8.12. What they leave open has the source guess.
func TestSQLFilters(t *testing.T) {
	const docs, samples, sql92, guess = "docs", "samples", "sql92", "guess"
	tests := []struct {
		source, expression string
		want               bool
	}{
		{samples, "organization = 'acme' AND type IN ('calbridge.delivery.v1','calbridge.connection.v1')", true},
		{samples, "organization = 'acme' AND type IN ('calbridge.connection.v1')", false},
		{samples, "sys.Label = 'calbridge.delivery.v1'", true},
		{samples, "sys.label LIKE '%delivery%'", true},
		{samples, "sys.Label LIKE '%bus%' OR user.organization IN ('acme', 'other')", true},
		{samples, "sys.MessageId = 'm-1' AND sys.CorrelationId = 'c-1' AND sys.ContentType <> 'text/plain'", true},
		{samples, "1=1", true}, {samples, "1=0", false},
		{docs, "attempt > 2 AND attempt >= 3 AND attempt < 4 AND attempt <= 3 AND attempt <> 4 AND attempt != 4", true},
		{docs, "attempt = small AND attempt = 3.0 AND share = .5 AND share = 5E-1 AND share < attempt", true},
		{docs, "attempt + 1 = 4 AND attempt - 1 = 2 AND attempt * 2 = 6 AND 7 / 2 = 3 AND 7 % 4 = 3 AND -attempt = -3 AND +1 = 1", true},
		{docs, "1 + 2 * 3 = 7 AND (1 + 2) * 3 = 9 AND 7.0 / 2 = 3.5", true},
		{docs, "live = TRUE AND live <> FALSE", true},
		{docs, "missing IS NULL AND organization IS NOT NULL", true}, {docs, "organization IS NULL", false},
		{docs, "EXISTS(organization) AND NOT EXISTS(missing) AND EXISTS(user.live) AND EXISTS(sys.Label) AND NOT EXISTS(sys.To)", true},
		{docs, "percent LIKE '100\\%' ESCAPE '\\'", true}, {docs, "organization LIKE '100\\%' ESCAPE '\\'", false},
		{docs, "organization LIKE 'a_m_' AND organization LIKE '%' AND organization NOT LIKE '_' AND empty LIKE '%' AND organization NOT LIKE 'A%'", true},
		{docs, "organization NOT IN ('other') AND attempt IN (1, 2, 3)", true},
		{docs, "[odd name] = 'x' AND \"odd name\" = 'x' AND user.[odd name] = 'x'", true},
		{docs, "quote = 'it''s'", true},
		{docs, "property(organization) = 'acme'", false}, // a name as text is meant
		{docs, "property('organization') = 'acme' AND p('organization') = 'acme'", true},
		{docs, "ORGANIZATION = 'acme' and not (attempt = 4) or 1=0", true},
		{sql92, "missing = 'x' OR 1=1", true}, {sql92, "missing = 'x' AND 1=1", false}, {sql92, "NOT missing = 'x'", false},
		{sql92, "NOT (missing = 'x' AND 1=0)", true}, {sql92, "missing <> 'x'", false}, {sql92, "missing IN ('x')", false},
		{sql92, "missing NOT IN ('x')", false}, {sql92, "organization NOT IN ('x', missing)", false}, {sql92, "organization IN (missing, 'acme')", true},
		{sql92, "missing LIKE '%'", false}, {sql92, "missing NOT LIKE '%'", false}, {sql92, "missing + 1 = 1", false},
		{sql92, "1=1 OR 1=0 AND 1=0", true}, // AND binds closer
		{guess, "attempt = '3'", false}, {guess, "attempt <> '3'", false}, {guess, "1/0 = 1", false}, {guess, "live > FALSE", false},
		{guess, "organization = 'ACME'", false}, {guess, "organization > 'aaa'", true}, {guess, "'a' + 'cme' = organization", true},
		{guess, "id = '6d1f2c3a-8b57-4e0e-9a41-5c7e0b92d4f3'", true},
	}
	for _, test := range tests {
		f, err := rules.Parse(test.expression)
		if err != nil {
			t.Errorf("%s: %s: %v", test.source, test.expression, err)
			continue
		}
		if got := f.Match(told); got != test.want {
			t.Errorf("%s: %s is %t, want %t", test.source, test.expression, got, test.want)
		}
	}
}

func TestWhatIsNoFilterIsRefused(t *testing.T) {
	for _, s := range []string{"", " ", "organization", "TRUE", "'x'", "1", "1 = ", "= 1", "organization = 'acme", "[x = 1", "a = 1 b = 2", "a = 1 AND",
		"a AND b", "NOT a", "(a = 1", "a = 1)", "a IN ()", "a IN 'x'", "a IN ('x'", "a LIKE", "a IS", "a IS NOT", "a IS 1", "1 IS NULL", "a NOT = 1",
		"EXISTS(1)", "EXISTS a", "EXISTS(a", "sys.Nothing = 1", "sys. = 1", "other.a = 1", "a.b.c = 1", "AND = 1", "a = 1 = 1", "(a = 1) = 1", "(a = 1) + 1 = 1",
		"newid() = 'x'", "property() = 1", "property('a','b') = 1", "a == 1", "a = 1;", "1x = 1", "1e = 1", "1.2.3 = 1", "99999999999999999999 = 1", "a = $1",
		strings.Repeat("(", 40) + "a = 1" + strings.Repeat(")", 40), strings.Repeat("NOT ", 40) + "a = 1", "a = '" + strings.Repeat("x", 1024) + "'"} {
		if f, err := rules.Parse(s); err == nil {
			t.Errorf("%q was read as %v", s, f)
		}
	}
}

// "A message matches only if all conditions are met", compared to the letter
// ("Topic filters and actions", Correlation filters).
func TestCorrelationFilters(t *testing.T) {
	tests := []struct {
		filter rules.Correlation
		want   bool
	}{
		{rules.Correlation{}, true},
		{rules.Correlation{Label: told.Subject, CorrelationID: "c-1", ContentType: "application/json", MessageID: "m-1"}, true},
		{rules.Correlation{Label: "Calbridge.delivery.v1"}, false},
		{rules.Correlation{SessionID: "s"}, false},
		{rules.Correlation{Properties: map[string]any{"organization": "acme", "attempt": 3, "live": true}}, true},
		{rules.Correlation{Properties: map[string]any{"organization": "acme", "attempt": 4}}, false},
		{rules.Correlation{Properties: map[string]any{"missing": "x"}}, false},
	}
	for _, test := range tests {
		if got := test.filter.Match(told); got != test.want {
			t.Errorf("%+v: %t, want %t", test.filter, got, test.want)
		}
	}
}

// Of a predicate and its negation at most one is true, and exactly one where
// nothing is unknown.
func TestNegationIsSQLs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		expression := predicate(t, 3)
		yes, err := rules.Parse(expression)
		no, err2 := rules.Parse("NOT (" + expression + ")")
		if err != nil || err2 != nil {
			t.Fatalf("%s: %v, %v", expression, err, err2)
		}
		a, b := yes.Match(told), no.Match(told)
		if a && b || !a && !b && !strings.Contains(expression, "missing") {
			t.Fatalf("%s: %t, negated %t", expression, a, b)
		}
	})
}

func predicate(t *rapid.T, depth int) string {
	if depth > 0 {
		switch rapid.IntRange(0, 3).Draw(t, "join") {
		case 0:
			return "(" + predicate(t, depth-1) + " AND " + predicate(t, depth-1) + ")"
		case 1:
			return "(" + predicate(t, depth-1) + " OR " + predicate(t, depth-1) + ")"
		case 2:
			return "NOT (" + predicate(t, depth-1) + ")"
		}
	}
	return rapid.SampledFrom([]string{"organization = 'acme'", "missing = 'x'", "attempt > 2", "attempt IN (1, 2)", "organization LIKE 'b%'",
		"missing IS NULL", "EXISTS(missing)", "live = FALSE", "missing LIKE '%'", "attempt NOT IN (3)"}).Draw(t, "predicate")
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"organization = 'acme' AND type IN ('a','b')", "sys.Label LIKE '%x' ESCAPE '!'", "NOT EXISTS([a b]) OR -1 + 2.5e1 % 3 >= \"q\"",
		"p('x') IS NOT NULL", "'", "[", "((("} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		filter, err := rules.Parse(s)
		if err != nil {
			return
		}
		matched := filter.Match(told)
		again, err := rules.Parse("(" + s + ")")
		if len(s) < 1000 && strings.Count(s, "(") < 20 && strings.Count(strings.ToUpper(s), "NOT") < 20 && strings.Count(s, "-")+strings.Count(s, "+") < 8 {
			if err != nil || again.Match(told) != matched {
				t.Errorf("%q in parentheses: %v", s, err)
			}
		}
	})
}
