package portal

import (
	"strings"
	"unicode"
)

// scripts are those that are written from right to left.
var scripts = []*unicode.RangeTable{unicode.Hebrew, unicode.Arabic, unicode.Syriac, unicode.Thaana, unicode.Nko, unicode.Samaritan, unicode.Mandaic, unicode.Adlam}

// plain is a name as somebody else wrote it without the characters that turn the direction
// of what follows (Unicode Bidirectional Algorithm, UAX 9, section 2): with them a name
// could change how the address after it reads, on the very page on which people compare.
func plain(name string) string {
	return strings.Map(func(c rune) rune {
		if c >= 0x202a && c <= 0x202e || c >= 0x2066 && c <= 0x2069 {
			return -1
		}
		return c
	}, name)
}

// apart is plain for a name inside a sentence: one that is written from right to left
// stands between isolates, so that it does not pull the words around it along.
func apart(name string) string {
	name = plain(name)
	if strings.ContainsFunc(name, func(c rune) bool { return unicode.In(c, scripts...) }) {
		return "\u2068" + name + "\u2069"
	}
	return name
}
