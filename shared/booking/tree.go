package booking

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDepth bounds the nesting of a message.
const maxDepth = 32

// tree reads JSON into the values that the schema validator takes (maps,
// slices, string, json.Number, bool, nil). Unlike encoding/json it notices
// members that are there twice, and it remembers where the member data stands.
type tree struct {
	text []byte // valid JSON
	pos  int
	path []string // members and indices down to the value being read
	fs   *faults
	data json.RawMessage // the root's member data, a part of text
	deep bool            // maxDepth was passed: the rest is not worth reading
}

// parse reads body, and notes faults of form. usable is false where there is no
// tree worth validating.
func parse(body []byte, fs *faults) (root any, data json.RawMessage, usable bool) {
	if !utf8.Valid(body) {
		fs.add("", CodeEncoding, "is not UTF-8")
		return nil, nil, false
	}
	if !json.Valid(body) {
		fs.add("", CodeSyntax, "is not one JSON value%s", syntaxAt(body))
		return nil, nil, false
	}
	t := tree{text: body, fs: fs}
	root = t.value()
	return root, t.data, !t.deep
}

func syntaxAt(body []byte) string {
	var raw json.RawMessage
	var syntax *json.SyntaxError
	if err := json.Unmarshal(body, &raw); errors.As(err, &syntax) {
		return ": wrong at byte " + strconv.FormatInt(syntax.Offset, 10)
	}
	return ""
}

func (t *tree) pointer() string {
	var b strings.Builder
	for _, step := range t.path {
		b.WriteByte('/')
		b.WriteString(escape(step))
	}
	return b.String()
}

func (t *tree) space() {
	for t.pos < len(t.text) && strings.IndexByte(" \t\r\n", t.text[t.pos]) >= 0 {
		t.pos++
	}
}

// value reads the value at pos; the text is known to be valid.
func (t *tree) value() any {
	t.space()
	switch t.text[t.pos] {
	case '{', '[':
		if len(t.path) >= maxDepth {
			if !t.deep {
				t.fs.add(t.pointer(), CodeTooDeep, "is nested more than %d levels deep", maxDepth)
			}
			t.deep = true
			t.pos = len(t.text)
			return nil
		}
		if t.text[t.pos] == '{' {
			return t.object()
		}
		return t.array()
	case '"':
		return t.string()
	case 't':
		t.pos += len("true")
		return true
	case 'f':
		t.pos += len("false")
		return false
	case 'n':
		t.pos += len("null")
		return nil
	}
	return t.number()
}

// more moves past a comma, or past the closing bracket and then reports false.
func (t *tree) more() bool {
	t.space()
	if t.deep {
		return false
	}
	t.pos++
	return t.text[t.pos-1] == ','
}

// empty moves past the closing bracket of {} or [].
func (t *tree) empty() bool {
	t.pos++
	t.space()
	if c := t.text[t.pos]; c == '}' || c == ']' {
		t.pos++
		return true
	}
	return false
}

func (t *tree) object() map[string]any {
	members := map[string]any{}
	if t.empty() {
		return members
	}
	for {
		t.space()
		name := t.string()
		t.space()
		t.pos++ // the colon
		t.space()
		t.path = append(t.path, name)
		if _, twice := members[name]; twice {
			t.fs.add(t.pointer(), CodeDuplicate, "is there twice")
		}
		from := t.pos
		members[name] = t.value()
		if name == "data" && len(t.path) == 1 {
			t.data = t.text[from:t.pos]
		}
		t.path = t.path[:len(t.path)-1]
		if !t.more() {
			return members
		}
	}
}

func (t *tree) array() []any {
	items := []any{}
	if t.empty() {
		return items
	}
	for {
		t.path = append(t.path, strconv.Itoa(len(items)))
		items = append(items, t.value())
		t.path = t.path[:len(t.path)-1]
		if !t.more() {
			return items
		}
	}
}

func (t *tree) string() string {
	from, escaped := t.pos, false
	for t.pos++; t.text[t.pos] != '"'; t.pos++ {
		if t.text[t.pos] == '\\' {
			escaped = true
			t.pos++
		}
	}
	t.pos++
	if !escaped {
		return string(t.text[from+1 : t.pos-1])
	}
	var s string
	if err := json.Unmarshal(t.text[from:t.pos], &s); err != nil {
		t.fs.add(t.pointer(), CodeSyntax, "is not a JSON string")
	}
	return s
}

// number keeps the literal. One with a huge exponent is refused, since exact
// arithmetic on it (the schema validator's) would not end.
func (t *tree) number() json.Number {
	from := t.pos
	for t.pos < len(t.text) && strings.IndexByte("+-.0123456789eE", t.text[t.pos]) >= 0 {
		t.pos++
	}
	literal := string(t.text[from:t.pos])
	_, exponent, _ := strings.Cut(strings.ToLower(literal), "e")
	if e, err := strconv.Atoi(exponent); exponent != "" && (err != nil || e > 308 || e < -308) || len(literal) > 400 {
		t.fs.add(t.pointer(), CodeRange, "is a number beyond what programs can hold")
		return "0"
	}
	return json.Number(literal)
}
