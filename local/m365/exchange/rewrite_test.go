package exchange_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/shared/event"
)

// ours is a body as shared/event writes it.
func ours(text string) string {
	return `<div style="color:#8a8886;font-size:8pt">[calbridge]</div><div>` + text + `</div><div><a href="https://example.com/?a=1&amp;b=2">link</a></div>` +
		`<div>Where: &#34;HEL&#34; &#39;T2&#39;</div><div style="color:#8a8886;font-size:8pt">[/calbridge]</div>`
}

var everyRewriting = []exchange.Rewriting{exchange.Lightly, exchange.AsWeb, exchange.AsWord}

func TestBodiesAreRewrittenAsTheSwitchSays(t *testing.T) {
	body := `<DIV ID="x" STYLE='color:red;font-size:8pt' data-x=1>it&#39;s &#34;here&#34; <BR/>` + strings.Repeat("word ", 40) + `[calbridge]</DIV><!-- gone -->`
	want := map[exchange.Rewriting][]string{
		exchange.Lightly: {body},
		exchange.AsWeb:   {`<div style="color:red; font-size:8pt">it's`, `&quot;here&quot; <br>`, "word\r\nword", "[calbridge]</div>\r\n"},
		exchange.AsWord: {`<p class="MsoNormal" style="color:red; font-size:8pt"><span lang="EN-US">it's`, `[<span class="SpellE">calbridge</span>]<o:p></o:p></span></p>`,
			"<style>"},
	}
	for _, how := range everyRewriting {
		w := start(t, exchange.Switches{Rewriting: how})
		c := meeting("x")
		c.Body = &exchange.Body{Content: body}
		e, err := w.Create(acme, aino, "", c)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range want[how] {
			if !strings.Contains(e.Body, part) {
				t.Errorf("%d lacks %q:\n%s", how, part, e.Body)
			}
		}
		if how != exchange.Lightly && (strings.Contains(e.Body, "gone") || strings.Contains(e.Body, "data-x") || strings.Contains(strings.ToLower(e.Body), `id="x"`)) {
			t.Errorf("%d kept what does not come back:\n%s", how, e.Body)
		}
	}
}

// edits are what people do to a body; those that break the markers say so.
var edits = []struct {
	name   string
	breaks bool
	do     func(o exchange.Owner, e exchange.Event) error
}{
	{"text above and below", false, func(o exchange.Owner, e exchange.Event) error {
		return o.WriteAround(e.ID, `<p class="x">ABOVE one two</p>`, `<div id=y>BELOW &amp; 1 &lt; 2</div>`)
	}},
	{"text beside, without a block", false, func(o exchange.Owner, e exchange.Event) error { return o.WriteAround(e.ID, "ABOVE ", " BELOW") }},
	{"Teams", false, func(o exchange.Owner, e exchange.Event) error { return o.Meet(e.ID) }},
	{"our text is edited", false, rewritten(`OURS\d+`, "OURS0 and mine")},
	{"markers in capitals", false, rewritten(`calbridge`, "Calbridge")},
	{"a second copy below", false, func(o exchange.Owner, e exchange.Event) error { return o.WriteAround(e.ID, "", ours("PASTED")) }},
	{"the first marker deleted", true, rewritten(`\[(<span class="SpellE">)?calbridge(</span>)?\]`, "$1$2")},
	{"the last marker deleted", true, rewritten(`\[/(<span class="SpellE">)?calbridge(</span>)?\]`, "$1$2")},
	{"both markers misspelt", true, rewritten(`(?i)calbridge`, "callbridge")},
	{"everything deleted", true, func(o exchange.Owner, e exchange.Event) error { return o.Write(e.ID, "<p>ABOVE</p>") }},
}

func rewritten(pattern, with string) func(exchange.Owner, exchange.Event) error {
	re := regexp.MustCompile(pattern)
	return func(o exchange.Owner, e exchange.Event) error {
		return o.Write(e.ID, re.ReplaceAllString(e.Body, with))
	}
}

// The rewriter times people's edits (A4): Merge finds our markers wherever they
// are whole, returns the rest byte for byte, and where people broke them keeps to
// its written rule: ours on top, nothing taken away, and found there next time.
func TestOurUpdatesKeepWhatPeopleAndTeamsWrote(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		how := rapid.SampledFrom(everyRewriting).Draw(rt, "rewriting")
		w := start(t, exchange.Switches{Rewriting: how})
		content := meeting("x")
		content.Body = &exchange.Body{Content: ours("OURS1")}
		e, err := w.Create(acme, aino, "", content)
		if err != nil {
			rt.Fatal(err)
		}
		whole := true // the markers stand
		for n := range rapid.IntRange(1, 5).Draw(rt, "rounds") {
			for _, at := range rapid.SliceOfN(rapid.IntRange(0, len(edits)-1), 0, 3).Draw(rt, "edits") {
				rt.Log(edits[at].name)
				if e, err = w.Event(acme, aino, e.ID); err == nil {
					err = edits[at].do(w.Owner(acme, aino), e)
				}
				if err != nil {
					rt.Fatal(err)
				}
				whole = whole && !edits[at].breaks
			}
			e = update(rt, w, e.ID, fmt.Sprintf("OURS%d", n+2), whole)
			whole = true
		}
	})
}

// update does what the engine does, and checks it.
func update(t *rapid.T, w *world, id, text string, whole bool) exchange.Event {
	before, err := w.Event(acme, aino, id)
	if err != nil {
		t.Fatal(err)
	}
	merged, ok := event.Merge(before.Body, ours(text))
	if whole && !ok {
		t.Fatalf("the markers were not found in\n%s", before.Body)
	}
	if !ok && len(merged) != len(before.Body)+len(ours(text)) {
		t.Fatalf("something was lost: \n%s\nbecame\n%s", before.Body, merged)
	}
	outsideStays(t, before.Body, merged, ok, whole)
	after, err := w.Update(acme, aino, id, exchange.Change{Body: &exchange.Body{Content: merged}}, `W/"`+before.ChangeKey+`"`)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"ABOVE", "BELOW", "Join the meeting now", "______", "https://teams.microsoft.com", "PASTED"} {
		if got, want := strings.Count(after.Body, word), strings.Count(merged, word); got != want {
			t.Fatalf("%d times %q after storing, want %d:\n%s", got, word, want, after.Body)
		}
	}
	if whole && after.JoinURL != before.JoinURL {
		t.Fatal("our update took the meeting offline")
	}
	if strings.Count(exchange.Text(after.Body), text) != 1 {
		t.Fatalf("our text is not there once:\n%s", after.Body)
	}
	if _, found := event.Merge(after.Body, ours("x")); !found {
		t.Fatalf("the next update would not find ours in\n%s", after.Body)
	}
	if again, err := w.Update(acme, aino, id, exchange.Change{Body: &exchange.Body{Content: after.Body}}, ""); err != nil || again.Body != after.Body {
		t.Fatalf("rewriting again changed it, %v:\n%s\nbecame\n%s", err, after.Body, again.Body)
	}
	return after
}

// outsideStays checks that merging changed one stretch and no word of people's.
func outsideStays(t *rapid.T, before, merged string, found, whole bool) {
	if !found {
		at := strings.Index(merged, "[calbridge]")
		head := merged[:strings.LastIndex(merged[:at], "<div")]
		if !strings.HasPrefix(before, head) {
			t.Fatalf("ours is not on top of what was:\n%s", merged)
		}
		return
	}
	if !whole {
		return // what is left of two broken pairs is one, and all between it is ours by the rule
	}
	for _, word := range []string{"ABOVE", "BELOW", "Join the meeting now", "PASTED"} {
		if strings.Count(before, word) != strings.Count(merged, word) {
			t.Fatalf("%q was changed:\n%s\nbecame\n%s", word, before, merged)
		}
	}
}
