package event

import "strings"

// token is a tag or one byte of visible text, with its place in the markup.
type token struct {
	from, to int
	// char is a byte of visible text; brackets written as entities are decoded. 0 for a tag.
	char byte
	// name of a tag in lower case, "!--" for comments and declarations.
	name    string
	closing bool // </name>
	void    bool // has no closing tag
}

// scan reads HTML as mail programs write it, and never fails: what is no tag is
// text. Nothing inside tags, comments, styles and scripts is text.
func scan(text string, visit func(token)) {
	for pos := 0; pos < len(text); {
		t := next(text, pos)
		visit(t)
		pos = t.to
		if t.char == 0 && !t.closing && raw(t.name) {
			pos += rawEnd(text[pos:], t.name)
		}
	}
}

func next(text string, pos int) token {
	switch rest := text[pos:]; {
	case strings.HasPrefix(rest, "<!--"):
		end := strings.Index(rest[4:], "-->")
		if end < 0 {
			return token{from: pos, to: len(text), name: "!--", void: true}
		}
		return token{from: pos, to: pos + 4 + end + 3, name: "!--", void: true}
	case rest[0] == '<' && len(rest) > 1 && (letter(rest[1]) || strings.IndexByte("/!?", rest[1]) >= 0):
		return tag(text, pos)
	case rest[0] == '&':
		for _, entity := range []string{"&#91;", "&#x5b;", "&#x5B;", "&lsqb;", "&lbrack;"} {
			if strings.HasPrefix(rest, entity) {
				return token{from: pos, to: pos + len(entity), char: '['}
			}
		}
		for _, entity := range []string{"&#93;", "&#x5d;", "&#x5D;", "&rsqb;", "&rbrack;"} {
			if strings.HasPrefix(rest, entity) {
				return token{from: pos, to: pos + len(entity), char: ']'}
			}
		}
		return token{from: pos, to: pos + 1, char: '&'}
	}
	char := text[pos]
	if char == 0 {
		char = ' '
	}
	return token{from: pos, to: pos + 1, char: char}
}

// tag reads to the closing bracket, past those in quoted attributes.
func tag(text string, pos int) token {
	t := token{from: pos, to: len(text)}
	at := pos + 1
	if text[at] == '/' {
		t.closing = true
		at++
	}
	name := at
	for at < len(text) && strings.IndexByte(" \t\r\n/>", text[at]) < 0 {
		at++
	}
	t.name = strings.ToLower(text[name:at])
	var quote, before byte // before is the last byte that is no blank
	for ; at < len(text); at++ {
		c := text[at]
		switch {
		case quote != 0 && c != quote:
			continue
		case quote != 0:
			quote = 0
		case (c == '"' || c == '\'') && before == '=':
			quote = c
		case c == '>':
			t.to = at + 1
			t.void = void(t.name) || before == '/'
			return t
		}
		if strings.IndexByte(" \t\r\n", c) < 0 {
			before = c
		}
	}
	t.void = true // cut off: nothing follows that could close it
	return t
}

func letter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// void lists elements without a closing tag, and what only looks like a tag.
func void(name string) bool {
	switch name {
	case "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr", "":
		return true
	}
	return name[0] == '!' || name[0] == '?'
}

// raw lists elements whose content is not markup.
func raw(name string) bool { return name == "style" || name == "script" || name == "title" }

// rawEnd is where the content of a raw element ends.
func rawEnd(text, name string) int {
	for at := 0; at < len(text); at++ {
		if text[at] == '<' && len(text)-at >= len(name)+2 && text[at+1] == '/' &&
			strings.EqualFold(text[at+2:at+2+len(name)], name) {
			return at
		}
	}
	return len(text)
}
