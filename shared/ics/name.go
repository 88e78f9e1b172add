package ics

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName is how many bytes of a title go into a file's name; with its encoding
// in a header a character may take three times as many.
const maxName = 100

// Name is the name of a booking's file: the title, without what some system or
// reader of names would take for something else. A title of which nothing is left
// gives a word in the language of locale.
func Name(title, locale string) string {
	title = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), unicode.IsSpace(r), strings.ContainsRune(`<>:"/\|?*%;`, r):
			return ' '
		case r == '\u200d': // joins emoji
			return r
		case unicode.Is(unicode.Cf, r), r == utf8.RuneError: // may turn the order of letters: "fdp.exe" for "exe.pdf"
			return -1
		}
		return r
	}, strings.ToValidUTF8(title, ""))
	title = strings.Join(strings.Fields(title), " ")
	if len(title) > maxName {
		cut := maxName
		for !utf8.RuneStart(title[cut]) {
			cut--
		}
		title = title[:cut]
	}
	title = strings.Trim(title, ". \u200d")
	if title == "" || reserved(title) {
		title = strings.TrimSpace(word(locale) + " " + title)
	}
	return title + ".ics"
}

// reserved are names of devices on Windows, whatever follows their first dot.
func reserved(name string) bool {
	name, _, _ = strings.Cut(strings.ToUpper(name), ".")
	switch name {
	case "CON", "PRN", "AUX", "NUL":
		return true
	}
	return len(name) == 4 && (strings.HasPrefix(name, "COM") || strings.HasPrefix(name, "LPT")) && '0' <= name[3] && name[3] <= '9'
}

func word(locale string) string {
	language, _, _ := strings.Cut(strings.ReplaceAll(strings.ToLower(locale), "_", "-"), "-")
	switch language {
	case "de":
		return "Termin"
	case "fi":
		return "Varaus"
	case "ja":
		return "予約"
	case "nb", "no":
		return "Bestilling"
	case "ru":
		return "Бронирование"
	}
	return "Booking"
}

// Disposition is the header Content-Disposition for a file's name: in ASCII for
// old readers, and as it is for all others (RFC 6266, RFC 8187).
func Disposition(name string) string {
	var ascii strings.Builder
	for _, r := range name {
		if r < ' ' || r > '~' || strings.ContainsRune(`"\%`, r) {
			r = '_'
		}
		ascii.WriteRune(r)
	}
	encoded := percent(name, func(c byte) bool { // attr-char
		return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("!#$&+-.^_`|~", c) >= 0
	})
	return `attachment; filename="` + ascii.String() + `"; filename*=UTF-8''` + encoded
}
