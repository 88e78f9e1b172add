// Package mailaddress tells personal e-mail addresses from those of
// organisations: somebody who is known by a gmail address has no mailbox in the
// organisation's Microsoft 365 tenant, and nobody needs to ask Graph for it
// (features.md L2).
//
// The list is data (domains.txt, with its sources and their date). A domain counts
// only as it stands there: mail.gmail.com is not gmail.com. A wrong entry is an
// organisation that cannot be reached, a missing one is a question to Graph that
// ends as mailbox-not-found; so the list leaves out what is doubtful, and an
// account that a booking names beside the address is never looked at here.
//
// Guessed: that a domain which two of three public lists call free is free.
package mailaddress

import (
	_ "embed"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

//go:embed domains.txt
var text string

// personal is made by the first question, not at start: the handler has no time
// to lose before it listens.
var personal = sync.OnceValue(func() map[string]struct{} {
	domains := make(map[string]struct{}, strings.Count(text, "\n"))
	for line := range strings.SplitSeq(text, "\n") {
		if line != "" && line[0] != '#' {
			domains[line] = struct{}{}
		}
	}
	return domains
})

// Personal reports whether an address belongs to a personal mail service. Letter
// case, a sub-address (+tag), quotes around the local part, spaces around the
// whole, and the form of an international domain make no difference. What is no
// address is not personal.
func Personal(address string) bool {
	domain := Domain(address)
	if domain == "" {
		return false
	}
	_, ok := personal()[domain]
	return ok
}

// Domain is the part of an address behind its last @, in lower case and IDNA's
// ASCII form (RFC 5890), without a final dot; "" for what is no address.
func Domain(address string) string {
	address = strings.TrimSpace(address)
	at := strings.LastIndexByte(address, '@')
	if at < 1 || !utf8.ValidString(address) {
		return ""
	}
	domain, err := idna.Lookup.ToASCII(strings.TrimSuffix(address[at+1:], "."))
	if err != nil || strings.Contains("."+domain+".", "..") {
		return "" // an empty label
	}
	return strings.ToLower(domain)
}
