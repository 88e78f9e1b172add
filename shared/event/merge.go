package event

import (
	"regexp"
	"strings"
)

// head and tail enclose our part of a body. See "Our text in the body" in the
// package comment.
const (
	beginMark = "[calbridge]"
	endMark   = "[/calbridge]"
	head      = `<div style="color:#8a8886;font-size:8pt">` + beginMark + `</div>`
	tail      = `<div style="color:#8a8886;font-size:8pt">` + endMark + `</div>`
)

var markLike = regexp.MustCompile(`(?i)\[(/?calbridge)\]`)

// unmark keeps text of a booking from looking like a marker.
func unmark(text string) string {
	if !strings.Contains(text, "[") {
		return text
	}
	return markLike.ReplaceAllString(text, "($1)")
}

// Merge puts ours, the Body of an Event, into a body that people, Outlook or
// Teams may have changed, and returns everything outside the markers byte for
// byte. ok reports whether the markers were found.
//
// The markers are the first begin mark that is followed by an end mark with no
// other mark between; any other mark is text. Where there is no such pair (our
// part was deleted, or a mark was) ours stands on top, directly after the body
// tag if there is one, and nothing is taken away; the next Merge finds it there.
//
// Tags that close outside what they opened between the markers, or the other
// way round, are kept, so that what was well-formed stays so.
func Merge(existing, ours string) (body string, ok bool) {
	from, to, ok := between(existing)
	if !ok {
		at := afterBodyTag(existing)
		return existing[:at] + ours + existing[at:], false
	}
	closers, openers := unbalanced(existing[from:to])
	inner := strings.TrimSuffix(strings.TrimPrefix(ours, head), tail)
	return existing[:from] + closers + inner + openers + existing[to:], true
}

// mark is a marker found in a text; from and to are byte offsets.
type mark struct {
	end      bool
	from, to int
}

// between finds what stands between the markers.
func between(text string) (from, to int, ok bool) {
	list := marks(text)
	for i, m := range list {
		if !m.end && i+1 < len(list) && list[i+1].end {
			return m.to, list[i+1].from, true
		}
	}
	return 0, 0, false
}

// marks finds the markers in the visible text. Inline tags within one are passed
// over, since Outlook's editor wraps words that its dictionary does not know.
func marks(text string) []mark {
	var found []mark
	var word []byte // what was read since the last opening bracket
	from := 0
	scan(text, func(t token) {
		switch {
		case t.char == '[':
			word, from = append(word[:0], '['), t.from
		case t.char != 0 && len(word) > 0 && len(word) < len(endMark):
			word = append(word, lower(t.char))
			if s := string(word); s == beginMark || s == endMark {
				found = append(found, mark{end: s == endMark, from: from, to: t.to})
				word = word[:0]
			}
		case t.char != 0 || !inline(t.name):
			word = word[:0]
		}
	})
	return found
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// inline lists tags that may stand in the middle of a word.
func inline(name string) bool {
	switch name {
	case "!--", "a", "b", "em", "font", "i", "small", "span", "strong", "u":
		return true
	}
	return false
}

// unbalanced returns the closing tags of a fragment whose opening stands before
// it, and the opening tags whose closing stands behind it, as they are written.
func unbalanced(fragment string) (closers, openers string) {
	var open []token
	var before, after strings.Builder
	scan(fragment, func(t token) {
		if t.char != 0 || t.void {
			return
		}
		if !t.closing {
			open = append(open, t)
			return
		}
		at := len(open) - 1
		for at >= 0 && open[at].name != t.name {
			at--
		}
		if at < 0 {
			before.WriteString(fragment[t.from:t.to])
			return
		}
		open = open[:at]
	})
	for _, t := range open {
		after.WriteString(fragment[t.from:t.to])
	}
	return before.String(), after.String()
}

// afterBodyTag is where the content of a document begins.
func afterBodyTag(text string) int {
	at, found := 0, false
	scan(text, func(t token) {
		if t.name == "body" && !t.closing && !found {
			at, found = t.to, true
		}
	})
	return at
}
