package exchange

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Rewriting is how hard bodies are rewritten when they are stored. That Exchange
// does it is documented (2.2: adds meta tags, CRLF); what else it does is put
// together from mails and events as they come back, so both higher grades are
// guesses to be hard against. Rewriting again what was rewritten changes nothing.
type Rewriting int

const (
	// Lightly adds the head with its meta tag and makes line ends CRLF.
	Lightly Rewriting = iota
	// AsWeb is what Outlook on the web leaves: tags and attribute names in lower
	// case, attributes in double quotes, ids, classes, comments and unknown
	// attributes gone, blanks in styles, entities written otherwise, a line end after
	// each block, and long lines wrapped at blanks.
	AsWeb
	// AsWord is what Outlook for Windows leaves: besides, a sheet of styles, each
	// innermost div a paragraph of class MsoNormal with a span and an o:p in it, and
	// a span around words that its dictionary does not know, ours among them.
	AsWord
)

var rewritings = [...]string{"lightly", "as-web", "as-word"}

// String names the grade, as ParseRewriting reads it.
func (r Rewriting) String() string { return rewritings[r] }

// ParseRewriting reads lightly, as-web or as-word.
func ParseRewriting(name string) (Rewriting, bool) {
	at := slices.Index(rewritings[:], name)
	return Rewriting(max(at, 0)), at >= 0
}

// rewrite makes of what a client sent what is stored.
func rewrite(b Body, how Rewriting) string {
	doc := document(b)
	if how == Lightly {
		return doc
	}
	pieces := cutMarkup(doc)
	for i := range pieces {
		pieces[i] = normal(pieces[i])
	}
	if how == AsWord {
		pieces = asWord(pieces)
	}
	return wrapped(strings.Join(pieces, ""))
}

var markup = regexp.MustCompile(`(?s)<!--.*?-->|(?i:<(?:style|script|title)\b.*?</(?:style|script|title)\s*>)|<[/!?A-Za-z](?:[^"'>]|"[^"]*"|'[^']*')*>`)

// cutMarkup cuts a document into tags and the text between them.
func cutMarkup(doc string) []string {
	var pieces []string
	at := 0
	for _, m := range markup.FindAllStringIndex(doc, -1) {
		if m[0] > at {
			pieces = append(pieces, doc[at:m[0]])
		}
		pieces, at = append(pieces, doc[m[0]:m[1]]), m[1]
	}
	if at < len(doc) {
		pieces = append(pieces, doc[at:])
	}
	return pieces
}

var (
	tagName   = regexp.MustCompile(`^<(/?)([A-Za-z][A-Za-z0-9:]*)`)
	attribute = regexp.MustCompile(`([A-Za-z-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))`)
	styling   = regexp.MustCompile(`\s*([;:])\s*`)
	entities  = strings.NewReplacer("&#39;", "'", "&#34;", "&quot;", "&apos;", "'", "\u00a0", "&nbsp;", "&#160;", "&nbsp;", "&#xa0;", "&nbsp;")
)

// kept are the attributes that come back; class only as Word's own.
var kept = map[string]bool{"href": true, "style": true, "src": true, "alt": true, "width": true, "height": true, "lang": true,
	"dir": true, "align": true, "bgcolor": true, "color": true, "face": true, "size": true, "colspan": true, "rowspan": true,
	"http-equiv": true, "content": true, "title": true, "cellpadding": true, "cellspacing": true, "border": true, "valign": true}

// normal writes one piece as Outlook on the web does.
func normal(piece string) string {
	m := tagName.FindStringSubmatch(piece)
	switch {
	case strings.HasPrefix(piece, "<!--"):
		return ""
	case piece[0] != '<' || len(piece) < 2:
		return entities.Replace(piece)
	case m == nil: // a declaration
		return piece
	}
	name := strings.ToLower(m[2])
	if name == "style" || name == "script" || name == "title" {
		return piece
	}
	if m[1] != "" {
		return "</" + name + ">"
	}
	out := "<" + name
	for _, a := range attribute.FindAllStringSubmatch(piece[len(m[0]):], -1) {
		key, value := strings.ToLower(a[1]), strings.ReplaceAll(a[2]+a[3]+a[4], `"`, "&quot;")
		if key == "style" {
			value = strings.TrimSuffix(styling.ReplaceAllString(strings.TrimSpace(value), "$1"), ";")
			value = strings.ReplaceAll(value, ";", "; ")
		}
		if kept[key] || key == "class" && (value == "MsoNormal" || value == "SpellE") {
			out += fmt.Sprintf(` %s="%s"`, key, value)
		}
	}
	return out + ">"
}

const wordStyle = "<style><!-- p.MsoNormal { margin:0cm; font-size:11.0pt } [if !mso] --></style>"

// asWord puts paragraphs for innermost divs, and spans around unknown words.
func asWord(pieces []string) []string {
	var out []string
	for i, p := range pieces {
		switch {
		case p == "</head>" && !slices.Contains(pieces, wordStyle):
			out = append(out, wordStyle, p)
		case strings.HasPrefix(p, "<div") && nextBlock(pieces[i+1:]) == "</div>":
			out = append(out, `<p class="MsoNormal"`+p[len("<div"):], `<span lang="EN-US">`)
		case p == "</div>" && strings.HasPrefix(lastBlock(pieces[:i]), "<div"):
			out = append(out, "<o:p></o:p>", "</span>", "</p>")
		case p[:min(1, len(p))] != "<" && (i == 0 || !strings.Contains(pieces[i-1], "SpellE")):
			out = append(out, unknownWord.ReplaceAllString(p, `<span class="SpellE">$1</span>`))
		default:
			out = append(out, p)
		}
	}
	return out
}

var unknownWord = regexp.MustCompile(`(?i)(calbridge)`)

var block = regexp.MustCompile(`^</?(?:div|p|table|tr|td|th|tbody|ul|ol|li|h[1-6]|body|hr|blockquote|pre)\b`)

func nextBlock(pieces []string) string {
	for _, p := range pieces {
		if block.MatchString(p) {
			return p
		}
	}
	return ""
}

func lastBlock(pieces []string) string {
	for i := len(pieces) - 1; i >= 0; i-- {
		if block.MatchString(pieces[i]) {
			return pieces[i]
		}
	}
	return ""
}

// lineLength is about where lines are wrapped.
const lineLength = 76

var blockEnd = regexp.MustCompile(`(</(?:div|p|table|tr|ul|ol|li|h[1-6])>)(?:\r\n)*`)

// wrapped ends the line after each block and within long text.
func wrapped(doc string) string {
	doc = blockEnd.ReplaceAllString(doc, "$1\r\n")
	var out strings.Builder
	column := 0
	for _, p := range cutMarkup(doc) {
		for _, r := range p {
			switch {
			case r == '\n':
				column = -1
			case r == ' ' && column >= lineLength && p[0] != '<':
				out.WriteString("\r")
				r, column = '\n', -1
			}
			out.WriteRune(r)
			column++
		}
	}
	return out.String()
}
