package portal

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

//go:embed texts
var textFiles embed.FS

// english is the language that every text exists in.
const english = "en"

// catalogue is every text of every language.
type catalogue struct{ languages map[string]*language }

// language is one language's texts by key. A text is plain, never markup, and may hold
// placeholders in braces: {organization}.
type language struct {
	tag      string
	texts    map[string]string
	fallback *language // nil for English
}

// readTexts reads texts/<language>/<part>.json: objects of keys and texts.
func readTexts() (*catalogue, error) {
	c := &catalogue{languages: map[string]*language{}}
	files, err := fs.Glob(textFiles, "texts/*/*.json")
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		content, err := textFiles.ReadFile(name)
		if err != nil {
			return nil, err
		}
		part := map[string]string{}
		if err := json.Unmarshal(content, &part); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		tag := path.Base(path.Dir(name))
		l := c.languages[tag]
		if l == nil {
			l = &language{tag: tag, texts: map[string]string{}}
			c.languages[tag] = l
		}
		for key, text := range part {
			if _, twice := l.texts[key]; twice {
				return nil, fmt.Errorf("%s: %s is there twice", name, key)
			}
			l.texts[key] = text
		}
	}
	if c.languages[english] == nil {
		return nil, errors.New("there are no English texts")
	}
	for tag, l := range c.languages {
		if tag != english {
			l.fallback = c.languages[english]
		}
	}
	return c, nil
}

// find returns the language of a BCP 47 tag by its first part; false where it is not
// spoken here.
func (c *catalogue) find(tag string) (*language, bool) {
	first, _, _ := strings.Cut(strings.ToLower(tag), "-")
	l, ok := c.languages[first]
	return l, ok
}

// choose returns the first language of an Accept-Language header that is spoken here,
// in the header's order, which browsers write by preference; else English.
func (c *catalogue) choose(accept string) *language {
	for item := range strings.SplitSeq(accept, ",") {
		tag, _, _ := strings.Cut(strings.TrimSpace(item), ";")
		if l, ok := c.find(tag); ok {
			return l
		}
	}
	return c.languages[english]
}

// text is that of a key with its placeholders filled from words. A key that nobody
// knows is shown as it is; a test keeps that from happening.
func (l *language) text(key string, words map[string]string) string {
	text, ok := l.texts[key]
	if !ok && l.fallback != nil {
		return l.fallback.text(key, words)
	}
	if !ok {
		return key
	}
	if !strings.Contains(text, "{") {
		return text
	}
	var pairs []string
	for name, value := range words {
		pairs = append(pairs, "{"+name+"}", value)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// has reports whether the key has a text.
func (l *language) has(key string) bool {
	if _, ok := l.texts[key]; ok {
		return true
	}
	return l.fallback != nil && l.fallback.has(key)
}

// keys are all keys, in order.
func (l *language) keys() []string {
	var all []string
	for key := range l.texts {
		all = append(all, key)
	}
	slices.Sort(all)
	return all
}

// plural picks the key of a number's form: <key>.one or <key>.other. Languages with
// more forms than two name theirs here when they come.
func plural(key string, n int) string {
	if n == 1 {
		return key + ".one"
	}
	return key + ".other"
}
