package exchange

import (
	"html"
	"regexp"
	"strings"
)

const meta = `<meta http-equiv="Content-Type" content="text/html; charset=utf-8">`

// document makes of what a client sent the document that Exchange stores: HTML
// with a head, a meta tag and CRLF line ends (2.2). It is idempotent.
func document(b Body) string {
	content := b.Content
	if b.Text {
		content = strings.ReplaceAll(html.EscapeString(strings.ReplaceAll(content, "\r\n", "\n")), "\n", "<br>\n")
	}
	content = strings.ReplaceAll(strings.ReplaceAll(content, "\r\n", "\n"), "\n", "\r\n")
	lower := strings.ToLower(content)
	if !strings.Contains(lower, "<html") {
		if !strings.Contains(lower, "<body") {
			content = "<body>" + content + "</body>"
		}
		return "<html><head>\r\n" + meta + "</head>" + content + "</html>"
	}
	if strings.Contains(lower, "<meta") {
		return content
	}
	if at := strings.Index(lower, "<head>"); at >= 0 && len(lower) == len(content) {
		return content[:at+6] + "\r\n" + meta + content[at+6:]
	}
	if at := strings.Index(lower, "<html>"); at >= 0 && len(lower) == len(content) {
		return content[:at+6] + "<head>\r\n" + meta + "</head>" + content[at+6:]
	}
	return content
}

var (
	hidden  = regexp.MustCompile(`(?is)<!--.*?-->|<(?:head|style|script)\b.*?</(?:head|style|script)\s*>`)
	breaks  = regexp.MustCompile(`(?i)<br\s*/?>|</(?:p|div|li|tr|h[1-6])\s*>`)
	tag     = regexp.MustCompile(`<[^>]*>`)
	newline = regexp.MustCompile(`[ \t]*\r?\n[ \t]*`)
)

// Text is the body as a client sees it that prefers text.
func Text(document string) string {
	s := hidden.ReplaceAllString(document, "")
	s = newline.ReplaceAllString(s, " ")
	s = breaks.ReplaceAllString(s, "\r\n")
	s = html.UnescapeString(tag.ReplaceAllString(s, ""))
	return strings.TrimSpace(s)
}

// Preview is bodyPreview: the first 255 characters as text.
func Preview(document string) string {
	r := []rune(Text(document))
	if len(r) > 255 {
		r = r[:255]
	}
	return string(r)
}
