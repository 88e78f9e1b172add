package ics

import (
	"strings"
	"unicode"

	ical "github.com/arran4/golang-ical"
)

// line makes one line of a text: control characters and runs of space become one
// space each.
func line(text string) string {
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "\uFFFD"), func(r rune) bool {
		return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == ' '
	}), " ")
}

// lines keeps the lines of a text that end in LF. The library escapes LF, and
// nothing else that could end a line.
func lines(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\t', r == '\u2028', r == '\u2029':
			return ' '
		case unicode.IsControl(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}

// uri makes an address of ASCII as RFC 3986 wants it; what has to be encoded is,
// percent signs stay.
func uri(text string) string {
	return percent(strings.TrimSpace(text), func(c byte) bool {
		return c > ' ' && c < 0x7f && strings.IndexByte("\"<>\\^`{|}", c) < 0
	})
}

// mailto is the calendar address of a mail address (RFC 5545 3.3.3, RFC 6068 2).
// An at sign within a quoted local part is encoded.
func mailto(address string) string {
	address = line(address)
	local, domain := address, ""
	if at := strings.LastIndexByte(address, '@'); at >= 0 {
		local, domain = address[:at], address[at:]
	}
	plain := func(c byte) bool {
		return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("-._~+!$*'", c) >= 0
	}
	return "mailto:" + percent(local, plain) + percent(domain, func(c byte) bool { return c == '@' || plain(c) })
}

func percent(text string, plain func(byte) bool) string {
	const digits = "0123456789ABCDEF"
	var out strings.Builder
	for i := range len(text) {
		if c := text[i]; plain(c) {
			out.WriteByte(c)
		} else {
			out.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return out.String()
}

// named adds a property with a CN and more parameters, already in their form. It
// stands beside the library's parameters, which are escaped with backslashes,
// unknown to RFC 5545 3.2 and to other readers. Quotes and backslashes have no
// form there that all read, and are replaced.
func named(c *ical.ComponentBase, property ical.Property, p Party, parameters string) {
	token := string(property)
	if name := strings.NewReplacer(`"`, "'", `\`, "/").Replace(line(p.Name)); name != "" {
		token += `;CN="` + name + `"`
	}
	c.AddProperty(ical.ComponentProperty(token+parameters), mailto(p.Address))
}
