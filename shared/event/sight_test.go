package event_test

import (
	"html"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/shared/event"
)

func sight() event.Sight {
	return event.Sight{Subject: "AY1331", Place: "HEL", ShowAs: "busy", Sensitivity: "normal", Text: "Seat1A",
		Start: time.Date(2026, 12, 1, 14, 5, 0, 0, time.UTC), End: time.Date(2026, 12, 1, 17, 20, 0, 0, time.UTC)}
}

func TestATraceTellsEveryAspectFromTheOthers(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*event.Sight)
		want   event.Aspects
	}{
		"nothing":                 {func(*event.Sight) {}, 0},
		"subject":                 {func(s *event.Sight) { s.Subject = "x" }, event.SawSubject},
		"blanks":                  {func(s *event.Sight) { s.Subject, s.Place = "  AY1331 ", "HEL\t" }, 0},
		"text":                    {func(s *event.Sight) { s.Text = "Seat2B" }, event.SawText},
		"no text":                 {func(s *event.Sight) { s.Text = event.NoText }, event.SawText},
		"body not told":           {func(s *event.Sight) { s.Text, s.Unread = "", true }, 0},
		"start":                   {func(s *event.Sight) { s.Start = s.Start.Add(time.Minute) }, event.SawWhen},
		"end":                     {func(s *event.Sight) { s.End = s.End.Add(-time.Second) }, event.SawWhen},
		"the same in other zones": {func(s *event.Sight) { s.Start = s.Start.In(time.FixedZone("", 7200)) }, 0},
		"all day":                 {func(s *event.Sight) { s.AllDay = true }, event.SawWhen},
		"no time":                 {func(s *event.Sight) { s.Start = time.Time{} }, 0},
		"place":                   {func(s *event.Sight) { s.Place = "" }, event.SawPlace},
		"show-as":                 {func(s *event.Sight) { s.ShowAs = "oof" }, event.SawShowAs},
		"show-as in other case":   {func(s *event.Sight) { s.ShowAs = "Busy" }, 0},
		"sensitivity":             {func(s *event.Sight) { s.Sensitivity = "private" }, event.SawSensitivity},
		"cancelled":               {func(s *event.Sight) { s.Cancelled = true }, event.SawCancelled},
		"series":                  {func(s *event.Sight) { s.Series = true }, event.SawSeries},
		"answer":                  {func(s *event.Sight) { s.Answer = "accepted" }, event.SawAnswer},
		"two":                     {func(s *event.Sight) { s.Subject, s.Place = s.Place, s.Subject }, event.SawSubject | event.SawPlace},
	} {
		t.Run(name, func(t *testing.T) {
			s := sight()
			test.change(&s)
			trace := sight().Trace()
			if got := event.Differ(trace, s.Trace()); got != test.want {
				t.Errorf("differ in %b, want %b", got, test.want)
			}
			for _, part := range []string{s.Subject, s.Place, s.Text} {
				if len(part) > 2 && strings.Contains(s.Trace(), part) {
					t.Errorf("the trace tells %q", part)
				}
			}
			if merged := event.Overlay(trace, s.Trace(), test.want); event.Differ(merged, s.Trace()) != 0 {
				t.Error("an overlay of what differs still differs")
			}
			if kept := event.Overlay(trace, s.Trace(), event.SawAll&^test.want); kept != trace {
				t.Error("an overlay of what is the same changed something")
			}
		})
	}
}

func TestATraceOfAnotherVersionTellsNothing(t *testing.T) {
	for _, other := range []string{"", "2" + sight().Trace()[1:], "1.x", sight().Trace() + ".x"} {
		if event.Differ(other, sight().Trace()) != 0 || event.Known(other) != 0 || event.Overlay(other, sight().Trace(), event.SawAll) != sight().Trace() {
			t.Errorf("%q tells something", other)
		}
	}
}

func TestOursIsTheSameWhateverIsMadeOfTheHTML(t *testing.T) {
	const ours = `<div style="x">[calbridge]</div><div>Seat 1A &amp; 2B<br>Gate &lt;7&gt;</div><div><a href="https://x.example/?a=1&amp;b=2">https://x.example/?a=1&amp;b=2</a></div><div>[/calbridge]</div>`
	want, ok := event.Ours(ours)
	if !ok || want != "Seat1A&2BGate<7>https://x.example/?a=1&b=2" {
		t.Fatalf("%q, %v", want, ok)
	}
	for name, body := range map[string]string{
		"paragraphs":  "<html><body><p>[calbridge]</p>\r\n<p class=MsoNormal>Seat 1A &amp; 2B<br>\r\nGate &lt;7&gt;<o:p></o:p></p><p><a href=\"https://safelinks.example/?u=x\">https://x.example/?a=1&amp;b=2</a></p><p>[/calbridge]</p></body></html>",
		"spans":       "<p>mine</p><span>[</span>calbridge]<span>Seat&nbsp;1A &#38; 2B</span> Gate&#32;&lt;7&gt; https://x.example/<wbr>?a=1&amp;b=2[/calbridge]<p>mine</p>",
		"as it stood": ours,
	} {
		if got, ok := event.Ours(body); !ok || got != want {
			t.Errorf("%s: %q, %v", name, got, ok)
		}
	}
	for _, body := range []string{"", "<p>mine</p>", "[/calbridge]x[calbridge]", "[calbridge] Seat 1A"} {
		if got, ok := event.Ours(body); ok || got != "" {
			t.Errorf("%q: %q, %v", body, got, ok)
		}
	}
}

// What is put into a calendar looks as it did, whatever stands around it.
func TestOurTextLooksTheSameInEveryBody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		letters := rapid.SampledFrom([]string{"a", "Ä", "🎉", " ", "\n", "\t", "<", ">", "&", "&amp;", "\"", "[", "]", "calbridge", "\u00a0", "\u200b", "<p>"})
		text := strings.Join(rapid.SliceOfN(letters, 0, 20).Draw(t, "text"), "")
		plain := "<div>[calbridge]</div><div>" + html.EscapeString(strings.ReplaceAll(text, "calbridge]", "")) + "</div><div>[/calbridge]</div>"
		want, ok := event.Ours(plain)
		if !ok || len(strings.Fields(want)) > 1 {
			t.Fatalf("%q, %v", want, ok)
		}
		around := rapid.SampledFrom([]string{"", "<p>mine</p>", "<html><body></body></html>", "<p>a &lt; b</p><table><tr><td>x</td></tr></table>"}).Draw(t, "around")
		body, _ := event.Merge(around, plain)
		if got, ok := event.Ours(body); !ok || got != want {
			t.Fatalf("%q looks like %q in %q", want, got, body)
		}
	})
}

func FuzzOurs(f *testing.F) {
	f.Add("<p>[calbridge]</p>x<p>[/calbridge]</p>")
	f.Add("[calbridge]&nbsp;\u200b&#0;<!--[/calbridge]")
	f.Fuzz(func(t *testing.T, body string) {
		text, ok := event.Ours(body)
		if !ok && text != "" || strings.ContainsAny(text, " \t\r\n") {
			t.Errorf("%q: %q, %v", body, text, ok)
		}
		if again, _ := event.Ours(body); again != text {
			t.Error("two looks differ")
		}
	})
}
