package host

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"unicode/utf8"
)

// errBadURI is what the real host throws when scheme, Host and path make no URI; 500.
var errBadURI = errors.New("scheme, host and path make no URI")

// rebuildPath is the fault of §2.1: the host writes scheme, Host and the decoded
// path as one text and takes the path of the .NET Uri that this text makes. Neither
// scheme nor Host was checked.
func rebuildPath(scheme, host, path, query string) (string, error) {
	return uriPath(scheme + "://" + host + path + query)
}

// uriPath is AbsolutePath of a .NET Uri over text: blanks around it trimmed, query
// and fragment cut, backslashes turned, unreserved characters decoded once more, dot
// segments resolved, and everything else escaped.
func uriPath(text string) (string, error) {
	text = strings.Trim(text, " \t\n\v\f\r")
	scheme, rest, ok := strings.Cut(text, ":")
	if !ok || !isScheme(scheme) {
		return "", errBadURI
	}
	rest, ok = cutSlashes(rest)
	if !ok {
		return "", errBadURI
	}
	end := strings.IndexAny(rest, `/\?#`)
	if end < 0 {
		end = len(rest)
	}
	if !isAuthority(rest[:end]) {
		return "", errBadURI
	}
	path := rest[end:]
	if cut := strings.IndexAny(path, "?#"); cut >= 0 {
		path = path[:cut]
	}
	path = strings.ReplaceAll(path, `\`, "/")
	if path == "" {
		return "/", nil
	}
	if strings.IndexByte(path, '%') >= 0 {
		path = percentDecode(path, isUnreserved)
	}
	return escapePath(removeDotSegments(path)), nil
}

// cutSlashes removes the two slashes before an authority; .NET takes backslashes too.
func cutSlashes(text string) (string, bool) {
	for range 2 {
		if text == "" || text[0] != '/' && text[0] != '\\' {
			return "", false
		}
		text = text[1:]
	}
	return text, true
}

func isScheme(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i] | 0x20
		letter := c >= 'a' && c <= 'z'
		if !letter && (i == 0 || (s[i] < '0' || s[i] > '9') && !strings.ContainsRune("+-.", rune(s[i]))) {
			return false
		}
	}
	return s != ""
}

// isAuthority is a rough check of host and port, user information allowed before them.
func isAuthority(s string) bool {
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		s = s[at+1:]
	}
	if host, port, err := net.SplitHostPort(s); err == nil {
		if n, err := strconv.Atoi(port); port != "" && (err != nil || n < 0 || n > 65535) {
			return false
		}
		s = host
	} else if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		s = s[1 : len(s)-1]
	} else if strings.Contains(s, ":") {
		return false
	}
	return s != "" && !strings.ContainsAny(s, " \t\r\n\"<>^`{|}%,;!$&'()*+=")
}

func isUnreserved(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
		r == '-' || r == '.' || r == '_' || r == '~'
}

const upperHex = "0123456789ABCDEF"

// escapePath escapes what may not stand in a path; existing escapes stay.
func escapePath(path string) string {
	var b strings.Builder
	b.Grow(len(path))
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '%' {
			if bytes, _ := percentRun(path[i:min(i+3, len(path))]); len(bytes) == 1 {
				b.WriteByte(c)
				continue
			}
		} else if c < utf8.RuneSelf && (isUnreserved(rune(c)) || strings.IndexByte("!$&'()*+,;=:@/[]", c) >= 0) {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', upperHex[c>>4], upperHex[c&15]})
	}
	return b.String()
}

// param is one query parameter; repeats are kept as values in the order they came.
type param struct {
	name   string
	values []string
}

// parseQuery reads a query as ASP.NET does: split at ampersands, plus is a blank,
// names compared regardless of case, first spelling and place kept.
func parseQuery(raw string) []param {
	var all []param
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, value = unescapeQuery(name), unescapeQuery(value)
		found := false
		for i := range all {
			if strings.EqualFold(all[i].name, name) {
				all[i].values = append(all[i].values, value)
				found = true
				break
			}
		}
		if !found {
			all = append(all, param{name, []string{value}})
		}
	}
	return all
}

func unescapeQuery(s string) string {
	s = strings.ReplaceAll(s, "+", " ")
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	return percentDecode(s, func(rune) bool { return true })
}

// joined is the values with commas between, empty ones dropped.
func (p param) joined() string {
	if len(p.values) == 1 {
		return p.values[0]
	}
	kept := make([]string, 0, len(p.values))
	for _, v := range p.values {
		if v != "" {
			kept = append(kept, v)
		}
	}
	return strings.Join(kept, ",")
}

// queryValue is the joined value of one parameter.
func queryValue(query []param, name string) string {
	for _, p := range query {
		if strings.EqualFold(p.name, name) {
			return p.joined()
		}
	}
	return ""
}

// rebuildQuery writes a parsed query again (§2.2), with the question mark.
func rebuildQuery(query []param) string {
	if len(query) == 0 {
		return ""
	}
	var b strings.Builder
	for i, p := range query {
		b.WriteByte("?&"[min(i, 1)])
		escapeQuery(&b, p.name)
		b.WriteByte('=')
		escapeQuery(&b, p.joined())
	}
	return b.String()
}

// escapeQuery escapes as .NET's UrlEncoder does.
func escapeQuery(b *strings.Builder, s string) {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if isUnreserved(rune(c)) || strings.IndexByte("!$()*,;@", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', upperHex[c>>4], upperHex[c&15]})
	}
}
