package event

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func ours(text string) string { return head + "<div>" + text + "</div>" + tail }

func TestOurPartIsReplacedAndTheRestStays(t *testing.T) {
	const (
		begin = "[calbridge]"
		end   = "[/calbridge]"
	)
	tests := []struct {
		name, existing, want string
		ok                   bool
	}{
		{"as we wrote it", ours("old"), ours("new"), true},
		{"in a document", "<html>\r\n<head><meta></head><body>\r\n" + ours("old") + "<p>mine</p></body></html>",
			"<html>\r\n<head><meta></head><body>\r\n" + ours("new") + "<p>mine</p></body></html>", true},
		{"text around it", "above " + ours("old") + " below", "above " + ours("new") + " below", true},
		{"markers without markup", "a" + begin + "old" + end + "b", "a" + begin + "<div>new</div>" + end + "b", true},
		{"markers in one paragraph each", "<p>" + begin + "</p><p>old</p><p class=x>" + end + "</p>",
			"<p>" + begin + "</p><div>new</div><p class=x>" + end + "</p>", true},
		{"markers at different depth", "<div><b>" + begin + "</b><i>old" + end + "</i></div>",
			"<div><b>" + begin + "</b><div>new</div><i>" + end + "</i></div>", true},
		{"marker broken by the editor", `[<span class="SpellE">calbridge</span>]old[/<font size="1">cal</font>bridge&#93;`,
			`[<span class="SpellE">calbridge</span>]<div>new</div>[/<font size="1">cal</font>bridge&#93;`, true},
		{"marker capitalised", "[Calbridge]old[/CALBRIDGE]", "[Calbridge]<div>new</div>[/CALBRIDGE]", true},
		{"brackets as entities", "&lsqb;calbridge&rsqb;old&#91;/calbridge&#x5D;", "&lsqb;calbridge&rsqb;<div>new</div>&#91;/calbridge&#x5D;", true},
		{"a second copy below", ours("old") + ours("old"), ours("new") + ours("old"), true},
		{"an end before the beginning", end + ours("old"), end + ours("new"), true},
		{"a beginning before the beginning", begin + ours("old"), begin + ours("new"), true},
		{"marker in an attribute", `<p title="[calbridge]">x` + ours("old"), `<p title="[calbridge]">x` + ours("new"), true},
		{"marker in a comment", "<!--" + begin + end + "-->" + ours("old"), "<!--" + begin + end + "-->" + ours("new"), true},
		{"marker in a style", "<style>" + begin + end + "</style>" + ours("old"), "<style>" + begin + end + "</style>" + ours("new"), true},
		{"marker over two lines is none", "[cal<br>bridge]x[/calbridge]", ours("new") + "[cal<br>bridge]x[/calbridge]", false},
		{"empty", "", ours("new"), false},
		{"only theirs", "<p>mine</p>", ours("new") + "<p>mine</p>", false},
		{"only theirs in a document", `<html><head><title><body></title></head><BODY class="a>b">mine</BODY></html>`,
			`<html><head><title><body></title></head><BODY class="a>b">` + ours("new") + `mine</BODY></html>`, false},
		{"the end was deleted", head + "old", ours("new") + head + "old", false},
		{"the beginning was deleted", "old" + tail, ours("new") + "old" + tail, false},
		{"turned round", end + "x" + begin, ours("new") + end + "x" + begin, false},
		{"a tag cut off", ours("old") + "<a href=\"", ours("new") + "<a href=\"", true},
		{"less-than as text", "1 < 2 " + ours("old") + " a<b", "1 < 2 " + ours("new") + " a<b", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, ok := Merge(test.existing, ours("new"))
			if got != test.want || ok != test.ok {
				t.Errorf("got %q, %v\nwant %q, %v", got, ok, test.want, test.ok)
			}
			// Whatever was there before, the next update finds ours and does not grow.
			again, ok := Merge(got, ours("newer"))
			if want := strings.Replace(got, "<div>new</div>", "<div>newer</div>", 1); again != want || !ok {
				t.Errorf("again: got %q, %v\nwant %q", again, ok, want)
			}
		})
	}
}

// junk draws what stands around our part: pieces of markup in any order.
func junk(t *rapid.T, label string) string {
	pieces := []string{"<p>", "</p>", "<div>", "</div>", "<span>", "</span>", "<br>", "text ", "&amp;", "[", "]", "<", ">", "\"", "\r\n",
		"calbridge", "/calbridge", "<!-- x -->", "[calbridge", "<b>", "</b>", "ä🎉", "<td title='[calbridge]'>"}
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 12).Draw(t, label), "")
}

func TestWhatStandsOutsideGoesBackUnchanged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Blanks keep the junk from running into our part.
		before, after := junk(t, "before")+" ", " "+junk(t, "after")
		if len(marks(before)) > 0 || strings.HasSuffix(strings.TrimSpace(before), "<") || openEnded(before) {
			return
		}
		existing := before + ours("old") + after
		got, ok := Merge(existing, ours("new"))
		if want := before + ours("new") + after; !ok || got != want {
			t.Fatalf("got %q, %v\nwant %q", got, ok, want)
		}
	})
}

// openEnded tells that what follows text would be read as part of a tag in it.
func openEnded(text string) bool {
	open := false
	scan(text, func(tk token) {
		open = tk.char == 0 && tk.to == len(text) && !strings.HasSuffix(text, ">")
	})
	return open
}

func TestMergingNeverLosesAndNeverGrows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		existing := junk(t, "a") + rapid.SampledFrom([]string{"", head, tail, ours("old")}).Draw(t, "b") + junk(t, "c") +
			rapid.SampledFrom([]string{"", head, tail, ours("old")}).Draw(t, "d") + junk(t, "e")
		once, found := Merge(existing, ours("new"))
		if !found && len(once) != len(existing)+len(ours("new")) {
			t.Fatalf("something was lost: %q became %q", existing, once)
		}
		if from, to, ok := between(existing); ok && (!strings.HasPrefix(once, existing[:from]) || !strings.HasSuffix(once, existing[to:])) {
			t.Fatalf("the outside changed: %q became %q", existing, once)
		}
		twice, ok := Merge(once, ours("new"))
		if !ok || twice != once {
			t.Fatalf("again changed it: %q became %q, %v", once, twice, ok)
		}
	})
}

func TestTextOfABookingIsNeverAMarker(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOf(rapid.SampledFrom([]string{"[", "]", "/", "calbridge", "CalBridge", "[calbridge]", "[/calbridge]",
			"&#91;", "&lsqb;", "<b>", "</b>", "\n", "\r", "\x00", "\t", " ", "<", "x"})).Draw(t, "text"), "")
		if found := marks(paragraph(text)); len(found) > 0 {
			t.Fatalf("%q has %d markers", paragraph(text), len(found))
		}
	})
}

func FuzzMerge(f *testing.F) {
	f.Add(ours("x"), "new")
	f.Add("<html><body>"+ours("x")+"</body>", "new")
	f.Add("<a '[calbridge]'><style>[/calbridge]", "")
	f.Fuzz(func(t *testing.T, existing, text string) {
		part := ours(paragraph(text))
		got, found := Merge(existing, part)
		if !found && len(got) != len(existing)+len(part) {
			t.Fatal("something was lost")
		}
		if again, ok := Merge(got, part); !ok || again != got {
			t.Fatalf("again changed it:\n%q\n%q, %v", got, again, ok)
		}
	})
}
